from dataclasses import replace

import numpy as np
import pytest

from genrec.data.sequences import Sequences
from genrec.errors import ConfigError, InputError
from genrec.evaluation.task_figures import judge_direct, judge_ratings
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.tasks.answering import Answering
from genrec.recommenders.tasks.mix import LearntTasks
from genrec.recommenders.tasks.written import text_tokens
from tests.small import reviewed, small_dataset, small_index


@pytest.fixture(scope="module")
def dataset():
    """Items get five stars where their ID begins with one of the first codes, and else one."""
    codes = small_index(levels=2, codebook_size=16).codes[:, 0]
    return reviewed(small_dataset(60), np.where(codes < 8, 5.0, 1.0))


@pytest.fixture(scope="module")
def recommender(dataset, tmp_path_factory) -> GenerativeRecommender:
    train, _ = dataset.split("last-out")
    return GenerativeRecommender.train(
        "tiny",
        train,
        small_index(levels=2, codebook_size=16),
        folder=tmp_path_factory.mktemp("fit"),
        summaries={str(user): "Likes things." for user in train.users},
        adapt="full",
        steps=30,
        batch_size=4,
        row_tokens=192,
        learning_rate=3e-3,
        next_item=0.2,
        rating=3.0,
        direct=0.2,
        explanation=0.1,
        review_summary=0.1,
        id_to_title=0.2,
        title_to_id=0.2,
        item_to_item=0.1,
        preference_summary=0.1,
        task_history=2,
        task_words=12,
    )


@pytest.fixture(scope="module")
def answering(recommender) -> Answering:
    return Answering(recommender)


def test_stars_are_judged_beside_the_mean_and_biases(answering, dataset):
    train, test = dataset.split("last-out")
    found = judge_ratings(answering, train, test)
    assert found.ratings == 60
    # It has learned which digits there are, not yet of what.
    assert found.model < 1.2 * found.mean
    assert 0 < found.biases < 0.6 * found.mean
    assert set(found.to_dict()) == {"model", "biases", "mean", "ratings", "sureness"}


@pytest.mark.slow
def test_stars_learned_beat_the_mean_on_held_out_choices(dataset, tmp_path):
    train, test = dataset.split("last-out")
    longer = GenerativeRecommender.train(
        "tiny",
        train,
        small_index(levels=2, codebook_size=16),
        folder=tmp_path,
        adapt="full",
        steps=80,
        batch_size=4,
        row_tokens=512,
        learning_rate=2e-3,
        warmup_steps=10,
        next_item=0.0,
        rating=6.0,
        task_history=1,
    )
    found = judge_ratings(Answering(longer), train, test)
    assert found.model < 0.7 * found.mean


def test_expected_stars_are_the_mean_of_the_digits_chances(answering, dataset):
    histories = dataset.sequences.take([0, 1, 2])
    found = answering.stars(histories, [4, 5, 6])
    assert ((found >= 1) & (found <= 5)).all()
    alone = [answering.stars(histories.take([n]), [4 + n])[0] for n in range(3)]
    np.testing.assert_allclose(found, alone, atol=1e-4)


def test_log_odds_are_those_of_the_whole_words(answering, dataset):
    """Against every row computed by itself, token by token."""
    histories = dataset.sequences.take([3, 4])
    found = answering.chooses(histories, [7, 8])
    prompts = answering._about(answering._prompt("direct"), histories, [7, 8])
    for row, prompt in enumerate(prompts):
        logs = []
        for said in text_tokens(answering.backbone, [" yes", " no"]):
            whole = answering._logs([[*prompt.tolist(), *said.tolist()]], len(said) + 1)[0]
            logs.append(sum(whole[place, token] for place, token in enumerate(said)))
        assert found[row] == pytest.approx(logs[0] - logs[1], abs=1e-3)


def test_yes_and_no_are_judged_beside_popularity_and_strangers(answering, dataset):
    train, test = dataset.split("last-out")
    found = judge_direct(answering, train, test, most=20)
    assert found.cases == 20
    assert all(0 <= area <= 1 for area in (found.model, found.popularity, found.strangers))


def test_texts_come_without_tokens_of_ids(answering, dataset):
    texts = [
        answering.title(3, max_tokens=8),
        answering.explain(dataset.sequences[0], 4, max_tokens=8),
        answering.headline("It is a thing 4.", max_tokens=8),
    ]
    assert all(isinstance(text, str) and "<" not in text for text in texts)


def test_items_are_found_by_titles_profiles_and_items(answering):
    for found in (
        answering.find(["thing 3", "thing 4"], 5),
        answering.suited(["Likes things.", "x"], 5),
        answering.following([1, 2], 5),
    ):
        assert found.items.shape == (2, 5)
        assert all(len(set(row)) == 5 for row in found.items.tolist())
        assert (np.diff(found.scores) <= 0).all()


def test_what_was_learned_is_stored_and_a_changed_prompt_refused(recommender, tmp_path):
    recommender.save(tmp_path / "it")
    again = GenerativeRecommender.load(tmp_path / "it", recommender.catalog)
    assert again.learnt.prompts == recommender.learnt.prompts
    assert again.learnt.stars == 5
    again.learnt = replace(again.learnt, prompts={**again.learnt.prompts, "rating": "other"})
    with pytest.raises(ConfigError, match="tasks/rating has changed"):
        Answering(again)


def test_what_was_not_learned_is_told(recommender, dataset):
    answering = Answering(recommender)
    with pytest.raises(InputError, match="2 histories and 1 items"):
        answering.stars(dataset.sequences.take([0, 1]), [3])
    learnt, recommender.learnt = recommender.learnt, LearntTasks({"direct": ""})
    try:
        with pytest.raises(ConfigError, match="has not learned 'rating'"):
            answering.stars(Sequences.of([[1]]), [3])
    finally:
        recommender.learnt = learnt
