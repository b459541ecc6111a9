from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.errors import ConfigError, InputError
from genrec.recommenders.history_prompt import HistoryRows
from genrec.recommenders.options import GenerativeConfig, OnePassConfig, TaskConfig
from genrec.recommenders.tasks.material import Material
from genrec.recommenders.tasks.mix import TASKS, MixedRows, training_rows
from genrec.recommenders.tasks.reviews import Reviews
from genrec.recommenders.tasks.written import Answers
from genrec.training.packing import NO_TARGET, TEXT_TARGET, PackedRows, collate_packed
from tests.small import reviewed, small_dataset, small_recommender

EVERY = dict.fromkeys(TASKS, 0.5)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return reviewed(small_dataset(30))


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    return small_recommender(tmp_path_factory.mktemp("fit"), steps=1)


@pytest.fixture(scope="module")
def material(recommender, dataset) -> Material:
    words = {str(user): "Likes odd things." for user in dataset.users[:10]}
    return Material(dataset, recommender.backbone, recommender.prompt, TaskConfig(), words)


def rows_of(recommender, dataset, summaries=None, **weights):
    config = replace(recommender.config, tasks=TaskConfig(**weights))
    return training_rows(
        recommender.prompt, recommender.backbone, dataset, config, summaries=summaries
    )


def read(recommender, row) -> tuple[str, str]:
    """The text of a row up to its answer, and the answer."""
    decode = recommender.backbone.text_tokenizer.decode
    learned = row.levels != NO_TARGET
    return decode(row.tokens[~learned]), decode(row.tokens[learned])


@pytest.mark.parametrize("name", TASKS)
def test_a_row_is_as_long_as_is_told_and_all_its_targets_stand_at_its_end(name, material):
    task = TASKS[name](material)
    counts = task.token_counts
    assert len(counts)
    for number in {*range(min(len(counts), 25)), len(counts) - 1}:
        for epoch in (0, 3):
            row = task.row(number, epoch)
            assert len(row.tokens) == counts[number]
            learned = row.levels != NO_TARGET
            assert learned.any()
            assert not (np.diff(learned.astype(int)) < 0).any()
            text = row.levels == TEXT_TARGET
            assert (row.codes[text] == row.tokens[text]).all()
            assert (row.codes[~learned] == 0).all()


def test_titles_and_ids_lead_to_one_another(material, recommender):
    own = str(recommender.index.semantic_id("i7"))
    asked, said = read(recommender, TASKS["title_to_id"](material).row(7, 0))
    assert (asked, said) == ("<bos>Called: thing 7\nIts ID:", own)
    asked, said = read(recommender, TASKS["id_to_title"](material).row(7, 0))
    assert (asked, said) == (f"<bos>ID:{own}\nCalled:", " thing 7<eos>")


def test_a_mixed_history_has_the_items_before_as_ids_and_titles(material, recommender):
    task = TASKS["mixed_history"](material)
    ways = Counter()
    for number in range(40):
        event = int(material.successions[number])
        asked, said = read(recommender, task.row(number, 0))
        target = int(material.dataset.sequences.items[event])
        assert said == str(recommender.index.semantic_id(f"i{target}"))
        body = asked.partition("title:")[2].partition("\n")[0]
        for item in material.before(event):
            own = str(recommender.index.semantic_id(f"i{item}"))
            way = "id" if body.startswith(own) else "title"
            ways[way] += 1
            body = body.removeprefix(own if way == "id" else f" thing {item}")
        assert body == ""
    assert min(ways["id"], ways["title"]) > 0.3 * sum(ways.values())


def test_stars_are_those_of_the_review_and_headlines_follow_their_text(material, recommender):
    item = int(material.reviews.items[3])
    asked, said = read(recommender, TASKS["rating"](material).row(3, 0))
    assert f"called thing {item}\nStars from 1 to 5:" in asked
    assert said == ("1" if item % 2 else "5")
    asked, said = read(recommender, TASKS["review_summary"](material).row(3, 0))
    assert f"Review: It is a thing {item}." in asked
    assert said == f" head {item}<eos>"
    assert read(recommender, TASKS["explanation"](material).row(3, 0))[1] == (
        f" It is a thing {item}.<eos>"
    )


def test_yes_is_said_to_what_came_next_and_no_to_another_in_each_epoch(material, recommender):
    task = TASKS["direct"](material)
    event = int(material.successions[5])
    target = str(recommender.index.semantic_id(f"i{material.dataset.sequences.items[event]}"))
    asked, said = read(recommender, task.row(10, 0))
    assert (said, f"Next {target}, yes" in asked.replace("Next<", "Next <")) == (" yes", True)
    others = {read(recommender, task.row(11, epoch)) for epoch in range(6)}
    assert {said for _, said in others} == {" no"}
    assert len(others) > 2
    assert not any(f"{target}, yes" in asked for asked, _ in others)


def test_a_profile_leads_to_the_last_item_of_its_user(material, recommender, dataset):
    asked, said = read(recommender, TASKS["preference_summary"](material).row(2, 0))
    last = dataset.sequences[2].items[-1]
    assert asked == "<bos>A customer: Likes odd things.\nNext ID:"
    assert said == str(recommender.index.semantic_id(f"i{last}"))


def test_without_tasks_the_rows_are_those_of_the_windows(recommender, dataset):
    rows, learnt = rows_of(recommender, dataset)
    assert isinstance(rows, HistoryRows)
    assert not learnt.prompts
    assert recommender.config.tasks == TaskConfig()


def test_each_task_has_as_many_rows_as_its_weight_says(recommender, dataset):
    rows, learnt = rows_of(
        recommender, dataset, next_item=1.0, title_to_id=0.5, rating=2.0, direct=0.1
    )
    windows, _ = rows_of(recommender, dataset)
    found = Counter(rows.source(number) for number in range(len(rows.token_counts)))
    base = len(windows.spans)
    assert [found[n] for n in range(4)] == [base, round(base * 0.5), 2 * base, round(base * 0.1)]
    assert set(learnt.prompts) == {"title_to_id", "rating", "direct"}
    assert learnt.stars == 5
    same = [rows.row(n, 4).tokens.tobytes() == windows.row(n, 4).tokens.tobytes() for n in range(5)]
    assert all(same)


def test_rows_follow_from_seed_and_epoch_and_all_examples_come_in_time(material):
    task = TASKS["title_to_id"](material)

    def drawn(rows, epoch):
        return [rows.row(number, epoch).tokens.tobytes() for number in range(9)]

    first, again, other = (MixedRows([(task, 9)], seed=seed) for seed in (1, 1, 2))
    assert drawn(first, 5) == drawn(again, 5)
    assert drawn(first, 5) != drawn(first, 6)
    assert drawn(first, 5) != drawn(other, 5)
    seen = {tokens for epoch in range(10) for tokens in drawn(first, epoch)}
    assert len(seen) == len(task.token_counts) == 60


def test_rows_of_all_tasks_go_through_one_pack_and_are_never_longer_than_told(recommender, dataset):
    words = {str(user): "Likes odd things." for user in dataset.users}
    rows, learnt = rows_of(recommender, dataset, words, **EVERY)
    assert set(learnt.prompts) == set(TASKS)
    packed = PackedRows(rows, row_tokens=300, seed=0)
    packed.set_epoch(3)
    batch = collate_packed([packed[0], packed[1]])
    assert batch["input_ids"].shape[1] <= 300
    assert (batch["target_levels"] == TEXT_TARGET).any()
    assert (batch["target_levels"] >= 0).any()


def test_a_task_that_the_data_cannot_give_is_left_out_and_said(recommender, dataset):
    bare = replace(dataset, extras={})
    _, learnt = rows_of(recommender, bare, title_to_id=1.0, rating=1.0, preference_summary=1.0)
    assert set(learnt.prompts) == {"title_to_id"}
    assert "rating: the data have no table of reviews" in learnt.left_out
    assert "preference_summary: no profile in words was given" in learnt.left_out
    with pytest.raises(InputError, match="none of the tasks"):
        rows_of(recommender, bare, next_item=0.0, rating=1.0)


def test_titles_that_are_ids_are_no_titles(recommender, dataset):
    table = dataset.catalog.table.with_columns(title=pl.col("item_id"))
    bare = replace(dataset, catalog=Catalog(table))
    _, learnt = rows_of(recommender, bare, title_to_id=1.0)
    assert learnt.left_out == ("title_to_id: no item has a title",)


def test_a_title_can_spell_no_token_of_ours(recommender, dataset):
    forged = str(recommender.index.semantic_id("i3"))
    table = dataset.catalog.table.with_columns(title=pl.lit(f"{forged}<eos>"))
    material = Material(
        replace(dataset, catalog=Catalog(table)),
        recommender.backbone,
        recommender.prompt,
        TaskConfig(task_words=200),
    )
    row = TASKS["title_to_id"](material).row(0, 0)
    asked = row.tokens[row.levels == NO_TARGET]
    ids = recommender.backbone.token_ids.numpy()
    assert not np.isin(asked, ids).any()
    assert recommender.backbone.text_tokenizer.eos_token_id not in asked


def test_what_was_said_of_a_held_out_event_is_not_learned_from(dataset):
    train, test = dataset.split("last-out")
    known = Reviews.of(train, train.sequences)
    assert len(known) == len(train)
    pairs = set(zip(known.users.tolist(), known.items.tolist(), strict=True))
    for row, target in enumerate(test.targets):
        user = int(np.flatnonzero(train.users == test.histories.users[row])[0])
        item = int(target.items[0])
        times = int((train.sequences[user].items == item).sum())
        assert ((user, item) in pairs) == (times > 0)


def test_a_review_of_a_second_purchase_belongs_to_the_second(dataset):
    events = pl.DataFrame(
        {"user": [0, 0, 0], "item": [4, 5, 4], "time": [1, 2, 3]},
        schema={"user": pl.UInt32, "item": pl.UInt32, "time": pl.Int64},
    )
    table = pl.DataFrame(
        {"user_id": ["u0", "u0"], "item_id": ["i4", "i4"], "rating": [2.0, 3.0], "time": [9, 1]}
    )
    twice = replace(dataset, events=events, extras={"reviews": table})
    found = Reviews.of(twice, twice.sequences)
    assert (found.places.tolist(), found.ratings.tolist()) == ([0, 2], [3.0, 2.0])


def test_rows_of_a_hybrid_say_that_they_hold_no_items(recommender):
    answers = Answers(recommender.index, recommender.prompt.item_tokens, by_items=True)
    row = answers.item(np.array([5, 6]), 3)
    assert row.items is not None
    assert (row.items.begins == NO_TARGET).all()
    assert row.items.positions.tolist() == list(range(len(row.tokens)))


def test_weights_that_do_not_fit_are_all_named():
    with pytest.raises(ConfigError, match=r"(?s)rating is -1.*task_history is 0"):
        TaskConfig(rating=-1, task_history=0)
    with pytest.raises(ConfigError, match="all weights are 0"):
        TaskConfig(next_item=0)


def test_one_pass_refuses_tasks(recommender):
    from genrec.recommenders.one_pass import OnePassRecommender

    config = GenerativeConfig(tasks=TaskConfig(rating=1.0))
    with pytest.raises(ConfigError, match="tasks has rating"):
        OnePassRecommender(
            recommender.backbone, recommender.catalog, recommender.index, config, OnePassConfig()
        )
