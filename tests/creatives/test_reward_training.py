import numpy as np
import polars as pl
import pytest

from genrec.creatives.cues import CUES
from genrec.creatives.reward_figures import accuracy, pairs_of, rank_correlation
from genrec.creatives.reward_options import RewardConfig
from genrec.creatives.reward_training import common_words, train_reward
from genrec.data.copy_tests import CopyTests, copy_tests
from genrec.data.rows import TABLE_ROWS
from genrec.errors import ConfigError, InputError
from tests.creatives.small_clicks import EFFECTS, LetterEncoder, clicks, clicks_table

CONFIG = RewardConfig(words=30, word_penalties=(1.0, 10.0, 100.0))


@pytest.fixture(scope="module")
def experiments():
    return clicks()


@pytest.fixture(scope="module")
def model(experiments):
    return train_reward(experiments, LetterEncoder(), CONFIG)


def truth(texts):
    return np.array([sum(EFFECTS.get(word, 0) for word in text.split()) for text in texts])


def test_held_out_tests_are_put_in_nearly_the_best_order_there_is(experiments, model):
    held = experiments.take(experiments.part == "test")
    pairs = pairs_of(held)
    ours = accuracy(pairs, model.scores(held.texts), significant=True)
    best = accuracy(pairs, truth(held.texts), significant=True)
    assert ours.value > best.value - 0.03 and ours.low > 0.8
    assert rank_correlation(held, model.scores(held.texts)).value > 0.6


def test_scores_have_the_size_of_the_true_log_odds(experiments, model):
    held = experiments.take(experiments.part == "test")
    slope = np.polyfit(model.scores(held.texts), truth(held.texts), 1)[0]
    assert slope == pytest.approx(1, abs=0.15)
    assert model.spread == pytest.approx(0.05, abs=0.03)


def test_chances_come_true_as_often_as_they_say(experiments, model):
    held = experiments.take(experiments.part == "test")
    generator = np.random.default_rng(0)
    # True odds of the same words anew: what the model promises is not about one draw of clicks.
    i, j = (pairs_of(held).first, pairs_of(held).second)
    texts = held.texts
    told = model.chance_better([texts[n] for n in i], [texts[n] for n in j])
    odds = truth(texts)[i] - truth(texts)[j] + generator.normal(size=len(i)) * np.sqrt(2 * 0.05)
    assert np.mean(odds > 0) == pytest.approx(told.mean(), abs=0.08)
    sure = np.maximum(told, 1 - told)
    right = np.where(told > 0.5, odds > 0, odds < 0)
    assert right[sure > 0.9].mean() > 0.85
    assert right[sure < 0.7].mean() < 0.85


def test_the_held_out_tests_are_never_looked_at(experiments, model):
    changed = experiments.table.with_columns(
        clicks=pl.when(pl.Series(experiments.part == "test")).then(0).otherwise(pl.col("clicks"))
    )
    again = train_reward(CopyTests(changed), LetterEncoder(), CONFIG)
    assert np.array_equal(again.weights, model.weights) and again.spread == model.spread


def test_the_order_of_the_rows_changes_nothing(experiments, model):
    shuffled = CopyTests(experiments.table.sample(fraction=1, shuffle=True, seed=5))
    again = train_reward(shuffled, LetterEncoder(), CONFIG)
    assert again.words == model.words
    assert np.allclose(again.weights, model.weights, atol=1e-6)


def test_where_words_do_not_matter_the_model_prefers_next_to_nothing():
    table = clicks_table(seed=4)
    drawn = np.random.default_rng(0).permutation(table["clicks"].to_numpy())
    noise = copy_tests(table.with_columns(clicks=drawn), rows=TABLE_ROWS, name="noise")
    model = train_reward(noise, LetterEncoder(), CONFIG)
    texts = ["fresh cheap rope", "dull plain rope"]
    assert abs(np.diff(model.scores(texts))[0]) < 0.3


def test_words_of_one_test_alone_are_no_features(experiments):
    words = common_words(experiments, 1000)
    assert set(EFFECTS) <= set(words)
    assert not [word for word in words if len(word) == 6 and any(c.isdigit() for c in word)]
    assert common_words(experiments, 0) == []


def test_progress_ends_with_all_fits_done(experiments):
    calls = []
    train_reward(experiments, LetterEncoder(), CONFIG, progress=lambda *call: calls.append(call))
    assert calls[-1] == (10, 10) and [done for done, _ in calls] == list(range(1, 11))


def test_too_few_tests_to_choose_by_are_an_error():
    with pytest.raises(InputError, match="validation test"):
        train_reward(clicks(20), LetterEncoder(), CONFIG)


def test_options_that_cannot_be_are_named_together():
    with pytest.raises(ConfigError, match=r"words is -1.*cue_penalties"):
        RewardConfig(words=-1, cue_penalties=())


def test_what_was_never_seen_is_as_uncertain_as_the_prior_says(experiments):
    config = RewardConfig(words=30, word_penalties=(3e3,), cue_penalties=(100.0,))
    model = train_reward(experiments, LetterEncoder(), config)
    # Held so near to 0, the weights are stretched on validation tests, and their doubt with them.
    assert model.about["slope"] > 1.2
    unseen = list(CUES).index("shouting") - len(CUES)
    deviation = np.sqrt((model.factor[unseen] ** 2).sum())
    assert deviation == pytest.approx(model.about["slope"] / np.sqrt(100))
