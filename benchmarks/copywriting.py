"""Copy: is anything invented, and does the right shopper's copy fit them better than another's?

``python -m benchmarks.copywriting [--quick]``. Figures of a fine-tuned copywriter are those of the
report that ``genrec run finetune/copywriter`` leaves; ``--adapter RUN`` reads them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.harness import Figures, not_measured, report
from genrec.creatives.channels import load_channels
from genrec.creatives.copy import CONSTRAINED, RANK, Copy, CopyBrief, CopyRequest
from genrec.creatives.copywriter import Copywriter
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy
from genrec.creatives.neutral import shown
from genrec.creatives.phrasebook import Phrasebook, languages
from genrec.creatives.statements import content_words, short_name
from genrec.data.catalog import Catalog, Item
from genrec.data.dataset import Dataset, Holdout
from genrec.evaluation.significance import bootstrap
from genrec.profiles.build import Profiles, build_profiles
from genrec.profiles.profile import UserProfile

COPIES = 50_000
TONES = ("plain", "warm", "brisk")
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller, in some minutes less")
    parser.add_argument("--adapter", default="", help="run of genrec run finetune/copywriter")
    options = parser.parse_args()
    copies = COPIES // 25 if options.quick else COPIES
    data = Dataset.load("complete_journey")
    training, held_out = data.split("last-basket")
    profiles = build_profiles(training)
    figures: Figures = {}
    for mode in (RANK, CONSTRAINED):
        figures |= grounded(training, profiles, mode, copies)
    with_model = 5 if options.quick else 40
    figures |= grounded_by_model(training, profiles, with_model)
    figures |= own_versus_other(training, held_out, profiles, 400 if options.quick else 0)
    figures |= adapter_figures(options.adapter)
    figures["ungrounded_claims"] = sum(
        int(str(figures[f"ungrounded_claims_{mode}"])) for mode in (RANK, CONSTRAINED)
    )
    figures["reward_pairwise_accuracy"] = None
    figures["reward_pairwise_accuracy_reason"] = "measured by benchmarks/reward.py"
    report(figures, data=data.name, split="last-basket", copies_per_mode=copies, seed=SEED)


def grounded(data: Dataset, profiles: Profiles, mode: str, copies: int) -> Figures:
    """Copies over items, shoppers, channels, languages and tones: what in them has no ground."""
    rng = np.random.default_rng(SEED)
    catalog, channels = data.catalog, list(load_channels())
    items = [catalog[int(row)] for row in rng.choice(len(catalog), min(2000, copies // 5))]
    users = [str(user) for user in rng.choice(data.users, 500, replace=False)]
    known = {user: profiles[user] for user in users}
    requests = [
        CopyRequest(
            items[number % len(items)],
            known[users[int(rng.integers(len(users)))]],
            channels[int(rng.integers(len(channels)))],
            CopyBrief(),
            languages()[int(rng.integers(len(languages())))],
            TONES[int(rng.integers(3))],
            seed=number,
        )
        for number in range(copies)
    ]
    writer = Copywriter(mode=mode, candidates=1)
    started = time.perf_counter()
    written = writer.write(requests)
    seconds = time.perf_counter() - started
    guard = Guard(Policy.load("general"))
    english = [one for one in written if one.language == "en"]
    facts = {item.id: ItemFacts.of(item) for item in items}
    by_guard = sum(not guard.check(one.text, facts[one.item]).ok for one in english)
    by_record = sum(
        bool(unfounded(one, request.item, {t.value for t in known[one.user or ""].traits}))
        for one, request in zip(written, requests, strict=True)
    )
    return {
        f"ungrounded_claims_{mode}": by_guard + by_record,
        f"ungrounded_by_guard_{mode}": by_guard,
        f"ungrounded_by_record_{mode}": by_record,
        f"guard_read_{mode}": len(english),
        f"copies_{mode}": len(written),
        f"different_texts_{mode}": len({one.text for one in written}),
        f"copies_per_second_{mode}": round(len(written) / seconds, 1),
    }


def unfounded(copy: Copy, item: Item, traits: set[str]) -> list[str]:
    """Values that stand neither in the item's record nor in the profile, and words of no phrase.

    Written apart from the copywriter's own code on purpose: it looks at the finished text, takes
    out all that the record, the profile and the phrase file hold, and says what is left.
    """
    book = Phrasebook.load(copy.language)
    record = [item.title, short_name(item.title), *map(str, item.attributes.values())]
    record += [] if item.price is None else [book.money(item.price, "USD")]
    found = [
        value
        for said in copy.statements
        for value in said.values
        if value not in record and not (said.evidence and value in traits)
    ]
    phrases = [
        text
        for phrase in book.phrases.values()
        for text in (*(one for tone in TONES for one in phrase.variants[tone]), *phrase.short)
    ]
    actions = [text for tone in TONES for text in book.actions[tone]]
    allowed = content_words(" ".join([*record, *phrases, *actions, *book.labels.values(), *traits]))
    allowed |= content_words(" ".join(item.attributes).replace("_", " "))
    return found + sorted(content_words(copy.text) - allowed)


def grounded_by_model(data: Dataset, profiles: Profiles, copies: int) -> Figures:
    """Constrained mode with SmolLM2 choosing the words."""
    key = "ungrounded_claims_constrained_smollm2"
    try:
        from genrec.llm.text_transformers import TransformersText

        model = TransformersText("smollm2-135m")
    except Exception as error:  # noqa: BLE001
        return not_measured(key, str(error).splitlines()[0])
    rng = np.random.default_rng(SEED + 1)
    writer = Copywriter(mode=CONSTRAINED, writer=model, candidates=1)
    requests = [
        CopyRequest(
            data.catalog[int(rng.integers(len(data.catalog)))],
            profiles[str(data.users[int(rng.integers(len(data.users)))])],
            "push",
        )
        for _ in range(copies)
    ]
    started = time.perf_counter()
    written = writer.write(requests)
    seconds = time.perf_counter() - started
    guard = Guard(Policy.load("general"))
    bad = 0
    for one, request in zip(written, requests, strict=True):
        assert request.profile is not None
        traits = {trait.value for trait in request.profile.traits}
        bad += bool(unfounded(one, request.item, traits))
        bad += not guard.check(one.text, ItemFacts.of(request.item)).ok
    return {key: bad, "copies_constrained_smollm2": copies,
            "seconds_per_copy_smollm2": round(seconds / copies, 2)}  # fmt: skip


def own_versus_other(data: Dataset, held_out: Holdout, profiles: Profiles, users: int) -> Figures:
    """Whose next basket a text fits better: that of the shopper it was made for, or another's.

    For each household an item is chosen by its profile (the most bought one of its strongest liked
    category) and copy is made of it. The copy fits a basket by the share of the basket's category
    names whose words it says. Own: the household's copy. Other: the copy of a random household.
    The controls hold the item fixed: a random popular item, with the own, another's, or no profile.
    """
    rng = np.random.default_rng(SEED)
    catalog = data.catalog
    rows = (
        np.arange(len(held_out)) if not users else rng.choice(len(held_out), users, replace=False)
    )
    names = [str(held_out.targets.users[row]) for row in rows]
    bought = np.bincount(data.events["item"].to_numpy(), minlength=len(catalog))
    best = _best_of_category(catalog.table, bought)
    known = {name: profiles[name] for name in names}
    popular = [catalog[int(row)] for row in np.argsort(-bought)[:300]]
    writer = Copywriter(candidates=1)
    baskets = [_categories(catalog, held_out.targets[int(row)].items) for row in rows]
    chosen = [_item_for(known[name], best, catalog, popular[0]) for name in names]
    own = writer.write([_email(i, known[n]) for i, n in zip(chosen, names, strict=True)])
    shift = 1 + rng.permutation(len(names) - 1)[0]
    others = np.roll(np.arange(len(names)), shift)
    fit_own = np.array([_fit(c, b) for c, b in zip(own, baskets, strict=True)])
    fit_other = np.array([_fit(own[o], b) for o, b in zip(others, baskets, strict=True)])
    same = [popular[int(rng.integers(len(popular)))] for _ in names]
    controls = {
        "own": writer.write([_email(i, known[n]) for i, n in zip(same, names, strict=True)]),
        "shuffled": writer.write(
            [_email(i, known[names[o]]) for i, o in zip(same, others, strict=True)]
        ),
        "none": writer.write([_email(i, None) for i in same]),
    }
    fits = {
        name: np.array([_fit(c, b) for c, b in zip(copies, baskets, strict=True)])
        for name, copies in controls.items()
    }
    figures: Figures = {"own_vs_other_households": len(names)}
    for key, ours, theirs in (
        ("own_vs_other", fit_own, fit_other),
        ("control_same_item_own_vs_shuffled", fits["own"], fits["shuffled"]),
        ("control_same_item_own_vs_none", fits["own"], fits["none"]),
    ):
        win = (ours > theirs) + 0.5 * (ours == theirs)
        estimates = bootstrap(np.stack([win, ours, theirs, ours - theirs], axis=1))
        figures[f"{key}_win"] = round(estimates[0].mean, 4)
        figures[f"{key}_win_interval"] = [round(estimates[0].low, 4), round(estimates[0].high, 4)]
        figures[f"{key}_ties"] = round(float((ours == theirs).mean()), 4)
        figures[f"{key}_fit"] = [round(estimates[1].mean, 4), round(estimates[2].mean, 4)]
    return figures


def _email(item: Item, profile: UserProfile | None) -> CopyRequest:
    return CopyRequest(item, profile, "email")


def _best_of_category(table: pl.DataFrame, bought: np.ndarray) -> dict[tuple[str, str], int]:
    best: dict[tuple[str, str], int] = {}
    for name in ("category", "type", "department"):
        for row, value in enumerate(table[name].to_list()):
            key = (name, str(value))
            if value and (key not in best or bought[row] > bought[best[key]]):
                best[key] = row
    return best


def _item_for(
    profile: UserProfile, best: dict[tuple[str, str], int], catalog: Catalog, otherwise: Item
) -> Item:
    for trait in profile.traits:
        if trait.kind == "like" and (row := best.get((trait.name, trait.value))) is not None:
            return catalog[row]
    return otherwise


def _categories(catalog: Catalog, items: Iterable[int]) -> list[frozenset[str]]:
    found = {str(catalog[int(item)].attributes.get("category", "")) for item in items}
    return [words for one in sorted(found) if (words := content_words(shown(one)))]


def _fit(copy: Copy, basket: list[frozenset[str]]) -> float:
    said = content_words(copy.text)
    return float(np.mean([words <= said for words in basket])) if basket else 0.0


def adapter_figures(run: str) -> Figures:
    """From the report of the fine-tuning recipe."""
    path = Path(run or "runs/copywriter") / "report" / "report.json"
    if not path.is_file():
        reason = "no run: genrec run finetune/copywriter, then --adapter runs/copywriter"
        return not_measured("rouge_l_adapter", reason)
    values = json.loads(path.read_text(encoding="utf-8"))
    figures: Figures = {"rouge_l_gain_interval": values["interval"]}
    for row in values["rows"]:
        name = row["written by"]
        figures[f"rouge_l_{name}"] = round(row["ROUGE-L"], 4)
        figures[f"grounded_{name}"] = round(row["grounded"], 4)
    return figures


if __name__ == "__main__":
    main()
