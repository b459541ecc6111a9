import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.creatives.reward import RewardModel, normal_below
from genrec.creatives.reward_options import RewardConfig
from genrec.creatives.reward_training import train_reward
from genrec.errors import ArtefactError, ConfigError, InputError
from tests.creatives.small_clicks import LetterEncoder, clicks

CONFIG = RewardConfig(words=30, word_penalties=(1.0, 10.0, 100.0))


@pytest.fixture(scope="module")
def model():
    return train_reward(clicks(), LetterEncoder(), CONFIG)


def test_candidates_come_back_best_first_with_where_they_stood(model):
    ranked = model.rank(["dull plain rope", "fresh cheap rope", "large grey rope"])
    assert [one.place for one in ranked] == [1, 2, 0]
    assert ranked[0].text == "fresh cheap rope"
    assert sum(one.score for one in ranked) == pytest.approx(0, abs=1e-9)
    assert sum(one.chance_best for one in ranked) == pytest.approx(1)
    assert ranked[0].chance_best > 0.8


def test_scores_are_log_odds_between_candidates(model):
    fresh, dull = model.rank(["fresh large rope", "dull large rope"])
    # The words differ by 1.2 in log odds where the clicks were made.
    assert fresh.score - dull.score == pytest.approx(1.2, abs=0.3)


def test_the_deviation_is_that_of_two_texts_with_half_of_their_spread_each(model):
    texts = ["fresh large rope", "dull large rope"]
    one, _ = model.rank(texts)
    first, second = model.features(texts)
    learned = (((first - second) @ model.factor) ** 2).sum() / 4
    assert one.deviation**2 == pytest.approx(learned + model.spread / 2)
    chance = model.chance_better(texts[:1], texts[1:])[0]
    assert chance == pytest.approx(one.chance_best, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(st.permutations(["fresh rope", "dull rope", "plain lamp", "grey tea", "fresh rope"]))
def test_the_order_of_candidates_changes_nothing_but_ties(model, texts):
    found = {one.text: round(one.score, 9) for one in model.rank(texts)}
    wanted = model.rank(["fresh rope", "dull rope", "plain lamp", "grey tea", "fresh rope"])
    assert found == {one.text: round(one.score, 9) for one in wanted}


def test_equal_candidates_keep_their_order_and_one_alone_is_best(model):
    assert [one.place for one in model.rank(["same", "same", "same"])] == [0, 1, 2]
    (only,) = model.rank(["fresh rope"])
    assert (only.score, only.chance_best) == (0, 1)


def test_restraint_takes_from_texts_that_withhold(model):
    texts = ["fresh rope: this is what happened next", "large rope"]
    assert model.rank(texts)[0].place == 0
    held = model.rank(texts, restraint=1.0)
    assert [one.place for one in held] == [1, 0] and held[1].withheld == 3
    assert held[0].score - held[1].score == pytest.approx(
        3 - (model.scores(texts)[0] - model.scores(texts)[1])
    )


def test_with_a_context_it_says_how_much_of_the_wording_stands_there(model):
    ranked = model.rank(["fresh bread", "magic bread", "it is"], "Bread, fresh from Leeds")
    assert {one.text: one.grounded for one in ranked} == {
        "fresh bread": 1.0,
        "magic bread": 0.5,
        "it is": 1.0,
    }
    assert model.rank(["fresh bread"])[0].grounded is None


def test_what_cannot_be_ranked_is_said(model):
    with pytest.raises(InputError, match="no candidate"):
        model.rank([])
    with pytest.raises(InputError) as caught:
        model.rank(["bread", " ", ""])
    assert caught.value.problems == ["candidate 1: empty", "candidate 2: empty"]
    with pytest.raises(ConfigError, match="restraint"):
        model.rank(["bread"], restraint=float("nan"))


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "\u202ebread\u200b", "\x00\x07bread", "日本語 🍞", "<b>{{ bread }}</b>"]
)
def test_strange_texts_are_ranked_like_others(model, text):
    ranked = model.rank([text, "plain rope"])
    assert {one.place for one in ranked} == {0, 1}
    assert all(np.isfinite([one.score, one.deviation]).all() for one in ranked)


def test_a_saved_model_ranks_alike(model, tmp_path):
    model.save(tmp_path / "reward")
    again = RewardModel.open(tmp_path / "reward", LetterEncoder())
    texts = ["fresh rope", "dull rope", "plain lamp"]
    assert np.allclose(again.scores(texts), model.scores(texts), atol=1e-5)
    assert again.fingerprint == model.fingerprint
    assert {path.suffix for path in (tmp_path / "reward").iterdir()} == {".json", ".safetensors"}


def test_a_model_of_another_encoder_or_other_cues_is_refused(model, tmp_path, monkeypatch):
    model.save(tmp_path / "reward")
    with pytest.raises(ArtefactError, match="letters-8"):
        RewardModel.open(tmp_path / "reward", LetterEncoder(9))
    monkeypatch.setattr("genrec.creatives.reward.CUES", {"number": None})
    with pytest.raises(ArtefactError, match="other cues"):
        RewardModel.open(tmp_path / "reward", LetterEncoder())


@pytest.mark.parametrize("name", ["reward.json", "reward.safetensors"])
def test_a_damaged_model_is_refused_by_name(model, tmp_path, name):
    model.save(tmp_path / "reward")
    path = tmp_path / "reward" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ArtefactError, match=name):
        RewardModel.open(tmp_path / "reward", LetterEncoder())


def test_preferences_name_the_words_that_made_the_clicks(model):
    liked = [name for name in model.preferences() if not name.startswith("(")]
    assert liked[:2] == ["fresh", "cheap"] and liked[-1] == "dull"
    assert json.dumps(model.preferences())


def test_the_normal_distribution_function_is_that_of_the_library():
    from statistics import NormalDist

    values = np.linspace(-6, 6, 101)
    wanted = [NormalDist().cdf(value) for value in values]
    assert np.abs(normal_below(values) - wanted).max() < 1e-7
