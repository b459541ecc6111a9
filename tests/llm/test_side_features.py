from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sequences import History, Sequences
from genrec.errors import ArtefactError, ConfigError
from genrec.llm.side_features import FILE, SHIFT, UNKNOWN, SideFeatures, gap_buckets
from genrec.recommenders.base import Request
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.history_prompt import HistoryRows
from genrec.recommenders.options import PromptConfig
from genrec.recommenders.preferring import PreferenceCases
from tests.small import ITEMS, next_item, small_catalog, small_index, small_recommender

SOON, LATE = 30, 40 * 86_400


def timed_dataset(users: int = 120) -> Dataset:
    """A short pause leads to the next item of the small world, a long one to the one after it."""
    generator = np.random.default_rng(3)
    rows = []
    for user in range(users):
        item, time = int(generator.integers(ITEMS)), 0
        gap = 0
        for _ in range(int(generator.integers(6, 12))):
            rows.append((user, item, time, "buy" if gap == LATE else "view"))
            item = next_item(item)
            # What comes next is decided by the pause before this one.
            item = next_item(item) if gap == LATE else item
            gap = LATE if generator.random() < 0.5 else SOON
            time += gap
    columns = {"user": pl.UInt32, "item": pl.UInt32, "time": pl.Int64, "kind": pl.String}
    events = pl.DataFrame(rows, schema=columns, orient="row")
    catalog = small_catalog()
    table = catalog.table.with_columns(price=pl.Series([float(n) for n in range(ITEMS)]))
    names = np.array([f"u{user}" for user in range(users)], dtype=object)
    return Dataset("timed", Catalog(table), names, events)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> GenerativeRecommender:
    return GenerativeRecommender.train(
        "tiny",
        timed_dataset(),
        small_index(levels=2, codebook_size=16),
        folder=tmp_path_factory.mktemp("fit"),
        adapt="full",
        steps=110,
        batch_size=4,
        row_tokens=128,
        template="recommend/continue_history",
        learning_rate=3e-3,
        warmup_steps=10,
        features=["gap", "price", "kind"],
    )


def test_the_same_items_after_another_pause_lead_elsewhere(trained):
    def best(gap: int, first: int) -> int:
        items = np.array([first, next_item(first)], np.int32)
        kinds = np.array([1, 2 if gap == LATE else 1], np.uint8)
        history = History(items, np.array([0, gap]), kinds=kinds)
        return int(trained.rank(Sequences.of([history]), 1).items[0, 0])

    starts = range(0, ITEMS, 4)
    soon = [best(SOON, first) == next_item(next_item(first)) for first in starts]
    late = [best(LATE, first) == next_item(next_item(next_item(first))) for first in starts]
    assert np.mean(soon) > 0.6
    assert np.mean(late) > 0.6


def test_a_history_without_times_is_ranked_and_no_batch_takes_times_away(trained):
    items = np.array([4, next_item(4)], np.int32)
    told = History(items, np.array([0, LATE]), kinds=np.array([1, 3], np.uint8))
    untold = History(items)
    together = trained.recommend_many([Request(told, 5), Request(untold, 5), Request(told, 5)])
    for one, history in zip(together, (told, untold, told), strict=True):
        alone = trained.recommend_many([Request(history, 5)])[0]
        assert [r.item.id for r in one] == [r.item.id for r in alone]
    ids = [r.item.id for r in trained.recommend(["i4", f"i{next_item(4)}"], 5)]
    assert ids == [r.item.id for r in together[1]]


def test_learning_from_preference_reads_prompts_as_they_are_answered(trained):
    sequences = timed_dataset(3).sequences
    cases = PreferenceCases(trained.prompt, sequences, windows=1)
    for (user, start, _), case in zip(cases.spans, cases, strict=False):
        past = sequences.last(len(sequences[user]))[user]
        before = History(
            past.items[:start], past.times[:start], user=past.user, kinds=past.kinds[:start]
        )
        assert case.prompt.tolist() == trained.prompt.tokens(before)
        assert (case.prompt >> SHIFT).any()


def test_stored_and_loaded_it_answers_the_same(trained, tmp_path):
    trained.save(tmp_path / "it")
    again = GenerativeRecommender.load(tmp_path / "it", trained.catalog)
    histories = timed_dataset(8).sequences
    before, after = trained.rank(histories, 5), again.rank(histories, 5)
    assert again.reads_events
    np.testing.assert_array_equal(before.items, after.items)
    np.testing.assert_allclose(before.scores, after.scores, atol=1e-5)
    with pytest.raises(ConfigError, match="times, prices or kinds"):
        trained.backbone.export_merged(tmp_path / "export")
    with pytest.raises(ArtefactError, match=FILE):
        SideFeatures.read(tmp_path, ["gap"])


def test_features_stand_at_the_last_code_of_an_item_alone(trained):
    data = timed_dataset(5)
    row = HistoryRows(trained.prompt, data.sequences, seed=0).row(0, 0)
    beside = row.tokens >> SHIFT
    last = row.levels == trained.index.levels - 1
    assert (beside[last] > 0).all()
    assert (beside[~last] == 0).all()
    history = data.sequences[0]
    prompt = np.array(trained.prompt.tokens(history)) >> SHIFT
    numbers = trained.backbone.features.numbers(history) >> SHIFT
    assert prompt[prompt > 0].tolist() == numbers.tolist()


def test_some_rows_are_written_without_times_and_kinds(trained):
    rows = HistoryRows(trained.prompt, timed_dataset(3).sequences, seed=0)
    most = [int((rows.row(0, epoch).tokens >> SHIFT).max()) for epoch in range(60)]
    price = int(
        (trained.backbone.features.numbers(History(rows.sequences[0].items)) >> SHIFT).max()
    )
    without = sum(one == price for one in most)
    assert 0 < without < 20


def test_off_nothing_is_added_to_prompts_or_weights(tmp_path):
    plain = small_recommender(tmp_path, steps=1)
    assert PromptConfig().features == []
    assert plain.backbone.features is None
    assert not plain.reads_events
    assert not any("features" in name for name in plain.backbone.state_dict())
    told = History(np.array([3, 4], np.int32), np.array([0, LATE]), kinds=np.array([1, 2]))
    assert plain.prompt.tokens(told) == plain.prompt.tokens(History(told.items))


def test_gaps_are_of_a_minute_and_four_times_as_long_each():
    times = np.cumsum([1000, 0, 59, 60, 179, 240, 2 * 10**9])
    history = History(np.zeros(7, np.int32), times)
    assert gap_buckets(history).tolist() == [0, 1, 1, 2, 2, 3, 14]
    assert gap_buckets(History(np.zeros(3, np.int32))).tolist() == [0, 0, 0]
    assert gap_buckets(History(np.zeros(0, np.int32), np.zeros(0, np.int64))).tolist() == []


def test_all_of_a_basket_come_as_long_after_the_one_before():
    baskets = np.array([0, 0, 1, 1, 2])
    history = History(np.zeros(5, np.int32), np.array([0, 0, 90, 90, 91]), baskets)
    assert gap_buckets(history).tolist() == [0, 0, 2, 2, 1]


def test_what_the_data_lack_is_told():
    data = timed_dataset(4)
    for name, column in (("gap", "time"), ("kind", "kind")):
        with pytest.raises(ConfigError, match=f"'{name}'"):
            SideFeatures.of([name], replace(data, events=data.events.drop(column)), 8)
    with pytest.raises(ConfigError, match="no item of the catalogue has a price"):
        SideFeatures.of(["price"], replace(data, catalog=small_catalog()), 8)
    with pytest.raises(ConfigError, match="did you mean 'price'"):
        PromptConfig(features=["prise"])


def test_prices_are_cut_into_as_many_parts_of_like_size():
    buckets = SideFeatures.of(["price"], timed_dataset(4), 8).prices
    assert np.bincount(buckets.numpy(), minlength=8).tolist()[0] == 0
    assert np.bincount(buckets.numpy())[1:].min() >= ITEMS // 7


def test_items_that_come_later_have_an_unknown_price():
    features = SideFeatures(["price"], torch.tensor([3, 1, 2]), 8)
    features.grow_to(5)
    assert features.prices.tolist() == [3, 1, 2, UNKNOWN, UNKNOWN]
