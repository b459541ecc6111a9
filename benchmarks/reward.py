"""Which headline is clicked more: the click model beside length, sentiment and other controls.

Upworthy's randomised tests, whole tests held out. Needs the archive, in the folder ``upworthy``
below GENREC_DATA.
"""

from __future__ import annotations

import random
import sys
import time

import numpy as np

from benchmarks.harness import arguments, not_measured, report
from genrec.creatives.cues import cues_of, withheld
from genrec.creatives.listwise import Evidence, fit, spread_beyond_chance
from genrec.creatives.reward import RewardModel, normal_below
from genrec.creatives.reward_figures import (
    Pairs,
    accuracy,
    accuracy_gain,
    best_over_average,
    calibration,
    ceiling,
    pairs_of,
    rank_correlation,
)
from genrec.creatives.reward_training import train_reward
from genrec.data.copy_tests import CopyTests
from genrec.data.sources import upworthy
from genrec.encoders.text import TextEncoder
from genrec.errors import InputError

# Cosine of MiniLM above which two headlines are taken to be about the same story.
FAMILIAR = 0.75


def sentiment(texts: list[str]) -> np.ndarray | None:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        return None
    judge = SentimentIntensityAnalyzer()
    return np.array([judge.polarity_scores(text)["compound"] for text in texts])


def controls(tests: CopyTests) -> dict[str, np.ndarray | None]:
    """Scores that take no training. Length and sentiment also turned round, to be fair to them."""
    texts = tests.texts
    length = np.array([float(len(text)) for text in texts])
    mood = sentiment(texts)
    draw = random.Random(0)
    return {
        "longer": length,
        "sentiment": mood,
        "negative": None if mood is None else -mood,
        "strong_feeling": None if mood is None else np.abs(mood),
        "random": np.array([draw.random() for _ in texts]),
        "number": np.array([float(any(c.isdigit() for c in text)) for text in texts]),
        "question": np.array([float("?" in text) for text in texts]),
    }


def cues_only(tests: CopyTests, held: CopyTests) -> np.ndarray:
    """Scores of a model of counted cues alone: no vectors and no words."""
    learn = tests.part == "train"
    cues = cues_of(tests.texts)
    mean, scale = cues[learn].mean(axis=0), cues[learn].std(axis=0) + 1e-9
    evidence = Evidence(
        ((cues - mean) / scale)[learn],
        tests.impressions[learn],
        tests.clicks[learn],
        tests.groups[learn],
    ).compared()
    variance = spread_beyond_chance(evidence, np.zeros(len(evidence.clicks)))
    found = fit(evidence, np.full(cues.shape[1], 1000.0), variance=variance)
    return ((cues_of(held.texts) - mean) / scale) @ found.weights


def familiarity(tests: CopyTests, held: CopyTests, encoder: TextEncoder) -> np.ndarray:
    """The highest cosine of each held-out test's headlines with one that was trained on."""
    seen = encoder.encode_texts(tests.take(tests.part != "test").texts)
    cosine = np.concatenate(
        [
            (rows @ seen.T).max(axis=1)
            for rows in np.array_split(encoder.encode_texts(held.texts), 32)
        ]
    )
    highest = np.zeros(int(held.test_numbers.max()) + 1)
    np.maximum.at(highest, held.test_numbers, cosine)
    return highest[held.test_numbers]


def clickbait(held: CopyTests, pairs: Pairs, scores: np.ndarray) -> dict[str, object]:
    """Cues of withheld information in what is put first, and what it costs to hold them back."""
    cues = np.array([withheld(text) for text in held.texts], float)
    first = np.where(scores[pairs.first] > scores[pairs.second], pairs.first, pairs.second)
    other = pairs.first + pairs.second - first
    clicked = np.where(pairs.z > 0, pairs.first, pairs.second)
    less = pairs.first + pairs.second - clicked
    found: dict[str, object] = {
        "withheld_cues_preferred": round(float(cues[first].mean()), 3),
        "withheld_cues_put_second": round(float(cues[other].mean()), 3),
        "withheld_cues_clicked_more": round(float(cues[clicked].mean()), 3),
        "withheld_cues_clicked_less": round(float(cues[less].mean()), 3),
    }
    for restraint in (0.05, 0.1, 0.2):
        restrained = scores - restraint * cues
        interval = accuracy(pairs, restrained, significant=True)
        top = np.where(
            restrained[pairs.first] > restrained[pairs.second], pairs.first, pairs.second
        )
        found[f"restraint_{restraint}_pairwise_accuracy"] = round(interval.value, 4)
        found[f"restraint_{restraint}_cues_preferred"] = round(float(cues[top].mean()), 3)
    return found


def figures_of(name: str, tests: CopyTests, pairs: Pairs, scores: np.ndarray) -> dict[str, object]:
    found: dict[str, object] = {}
    for figure, interval in {
        "pairwise_accuracy": accuracy(pairs, scores, significant=True),
        "pairwise_accuracy_all": accuracy(pairs, scores, significant=False),
        "spearman": rank_correlation(tests, scores),
        "best_over_average": best_over_average(tests, scores),
    }.items():
        found[f"{name}_{figure}"] = round(interval.value, 4)
        found[f"{name}_{figure}_interval"] = [round(interval.low, 4), round(interval.high, 4)]
    print(
        f"{name:<16} {accuracy(pairs, scores, significant=True)}  "
        f"{accuracy(pairs, scores, significant=False)}  {rank_correlation(tests, scores)}  "
        f"{best_over_average(tests, scores)}",
        file=sys.stderr,
    )
    return found


def clicked_more(model: RewardModel, tests: CopyTests, pairs: Pairs) -> np.ndarray:
    """Chance that the first arm of each pair has the higher observed rate."""
    features = model.features(tests.texts)
    difference = features[pairs.first] - features[pairs.second]
    learned = ((difference @ model.factor) ** 2).sum(axis=1)
    clicks = np.maximum(tests.clicks, 0.5)
    shot = 1 / clicks[pairs.first] + 1 / clicks[pairs.second]
    return normal_below(difference @ model.weights / np.sqrt(learned + 2 * model.spread + shot))


def main() -> None:
    quick = arguments(__doc__ or "").quick
    try:
        tests = upworthy.load()
    except InputError as error:
        report(not_measured("reward_pairwise_accuracy", str(error)))
        return
    if quick:
        kept = np.unique(tests.test_numbers)[::4]
        tests = tests.take(np.isin(tests.test_numbers, kept))
    before = time.perf_counter()
    encoder = TextEncoder()
    encoder.encode_texts(tests.texts)
    encoded = time.perf_counter()
    model = train_reward(tests, encoder)
    trained = time.perf_counter()
    held = tests.take((tests.part == "test") & tests.fair)
    pairs = pairs_of(held)
    ours = model.scores(held.texts)
    figures = figures_of("reward", held, pairs, ours)
    others = controls(held)
    for name, scores in others.items():
        if scores is None:
            figures |= not_measured(f"{name}_pairwise_accuracy", "vaderSentiment is not installed")
            continue
        figures |= figures_of(name, held, pairs, scores)
        gain = accuracy_gain(pairs, ours, scores, significant=True)
        figures[f"reward_over_{name}"] = [round(v, 4) for v in (gain.value, gain.low, gain.high)]
    counted = cues_only(tests, held)
    figures |= figures_of("cues_only", held, pairs, counted)
    gain = accuracy_gain(pairs, ours, counted, significant=True)
    figures["reward_over_cues_only"] = [round(v, 4) for v in (gain.value, gain.low, gain.high)]
    strange = held.take(familiarity(tests, held, encoder) < FAMILIAR)
    figures["unfamiliar_tests"] = len(np.unique(strange.test_numbers))
    scores = model.scores(strange.texts)
    figures |= figures_of("unfamiliar", strange, pairs_of(strange), scores)
    figures |= clickbait(held, pairs, ours)
    evidence = Evidence(np.zeros((len(held), 1)), held.impressions, held.clicks, held.groups)
    evidence = evidence.compared()
    variance = spread_beyond_chance(evidence, np.zeros(len(evidence.clicks)))
    figures["ceiling_pairwise_accuracy_all"] = round(ceiling(pairs, held, variance=variance), 4)
    table = calibration(pairs, clicked_more(model, held, pairs))
    figures["calibration_promised_observed_pairs"] = [
        [round(promised, 3), round(observed, 3), count] for promised, observed, count in table
    ]
    figures["calibration_error"] = round(
        sum(abs(a - b) * n for a, b, n in table) / sum(n for _, _, n in table), 4
    )
    everything = tests.take(tests.part == "test")
    scores = model.scores(everything.texts)
    figures |= figures_of("uneven_too", everything, pairs_of(everything), scores)
    figures["encode_seconds"] = round(encoded - before, 1)
    figures["train_seconds"] = round(trained - encoded, 1)
    report(
        figures,
        data="Upworthy Research Archive, exploratory set",
        split="70/10/20 of tests by SHA-256 of the id; tests that share a headline go together",
        pairs="same test and picture, headlines differ, impressions evenly split (p >= .001)",
        significant="two-sided z-test of two click rates at 5 %",
        interval="95 %, 2,000 bootstrap resamples of tests",
        tests=int(pairs.test.max()) + 1,
        pairs_all=len(pairs.z),
        pairs_significant=int(pairs.significant.sum()),
        model=model.about,
    )


if __name__ == "__main__":
    main()
