"""What every recommender owes its callers. Subclass it and give a trained ``recommender``.

::

    class TestPopular(RecommenderContract):
        @pytest.fixture(scope="class")
        @classmethod
        def recommender(cls):
            return Popular.train(shop())
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sequences import History, Sequences
from genrec.errors import ArtefactError, InputError
from genrec.recommenders.base import NO_ITEM, Recommender, Request

ITEMS = 12


def shop(*, baskets: bool = False) -> Dataset:
    """Ten users who walk round twelve items, one after the other (or two at a time)."""
    columns = {
        "item_id": [f"p{n}" for n in range(ITEMS)],
        "title": [f"Product {n}" for n in range(ITEMS)],
        "price": [float(n) for n in range(ITEMS)],
        "brand": [None if n == 11 else f"brand {n % 3}" for n in range(ITEMS)],
    }
    catalog = Catalog(pl.DataFrame(columns))
    events = 6
    users = np.repeat(np.arange(10), events)
    step = np.tile(np.arange(events), 10)
    columns = {
        "user": users.astype(np.uint32),
        "item": ((users + step) % ITEMS).astype(np.uint32),
        "time": (1000 * users + step // (2 if baskets else 1)).astype(np.int64),
    }
    if baskets:
        columns["basket"] = (step // 2).astype(np.uint32)
    names = np.array([f"u{n}" for n in range(10)], dtype=object)
    return Dataset("shop", catalog, names, pl.DataFrame(columns))


def valid(items: np.ndarray) -> list[int]:
    return [int(item) for item in items if item != NO_ITEM]


class RecommenderContract:
    """The tests. ``tolerance`` is how far scores may move with the shape of the batch."""

    tolerance = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls) -> Recommender:
        raise NotImplementedError("give the suite a trained recommender over shop()'s catalogue")

    @pytest.fixture
    def histories(self) -> Sequences:
        return Sequences.of([[0, 1, 2], [], [5], [3, 3, 4, 3], [7, 8, 9, 10, 11, 0, 1]])

    def test_lists_have_the_asked_shape_and_types(self, recommender, histories) -> None:
        ranking = recommender.rank(histories, 4)
        assert ranking.items.shape == ranking.scores.shape == (5, 4)
        assert ranking.items.dtype == np.int32
        assert ranking.scores.dtype == np.float32

    def test_items_are_distinct_and_of_the_catalogue(self, recommender, histories) -> None:
        for row in recommender.rank(histories, ITEMS).items:
            assert len(set(valid(row))) == len(valid(row)) == ITEMS
            assert all(0 <= item < ITEMS for item in valid(row))

    def test_scores_fall_from_best_to_last(self, recommender, histories) -> None:
        scores = recommender.rank(histories, ITEMS).scores
        assert (scores[:, 1:] <= scores[:, :-1]).all()

    def test_only_allowed_items_come_back(self, recommender, histories) -> None:
        allowed = np.zeros(ITEMS, bool)
        allowed[[2, 5, 7]] = True
        for row in recommender.rank(histories, 3, allowed=allowed).items:
            assert sorted(valid(row)) == [2, 5, 7]

    def test_allowed_items_may_differ_from_user_to_user(self, recommender, histories) -> None:
        allowed = np.zeros((5, ITEMS), bool)
        for user in range(5):
            allowed[user, [user, user + 3]] = True
        for user, row in enumerate(recommender.rank(histories, 2, allowed=allowed).items):
            assert sorted(valid(row)) == [user, user + 3]

    def test_seen_items_are_left_out_on_request(self, recommender, histories) -> None:
        ranking = recommender.rank(histories, ITEMS, exclude_seen=True)
        for history, row in zip(histories, ranking.items, strict=True):
            assert set(valid(row)) == set(range(ITEMS)) - set(history.items.tolist())

    def test_both_rules_hold_together(self, recommender, histories) -> None:
        allowed = np.zeros(ITEMS, bool)
        allowed[:4] = True
        ranking = recommender.rank(histories, ITEMS, allowed=allowed, exclude_seen=True)
        for history, row in zip(histories, ranking.items, strict=True):
            assert set(valid(row)) == set(range(4)) - set(history.items.tolist())

    def test_missing_items_fill_up_the_end(self, recommender, histories) -> None:
        ranking = recommender.rank(histories, ITEMS + 3)
        assert (ranking.items[:, ITEMS:] == NO_ITEM).all()
        assert (ranking.items[:, :ITEMS] != NO_ITEM).all()
        assert np.isneginf(ranking.scores[:, ITEMS:]).all()

    def test_nothing_allowed_gives_an_empty_list(self, recommender, histories) -> None:
        ranking = recommender.rank(histories, 3, allowed=np.zeros(ITEMS, bool))
        assert (ranking.items == NO_ITEM).all()

    def test_an_empty_history_gets_a_full_list(self, recommender) -> None:
        ranking = recommender.rank(Sequences.of([[]]), 5)
        assert len(valid(ranking.items[0])) == 5
        assert np.isfinite(ranking.scores).all()

    def test_no_users_give_no_lists(self, recommender) -> None:
        assert recommender.rank(Sequences.of([]), 3).items.shape == (0, 3)

    def test_a_batch_equals_one_by_one(self, recommender, histories) -> None:
        together = recommender.rank(histories, ITEMS)
        for user in range(len(histories)):
            alone = recommender.rank(histories[user : user + 1], ITEMS)
            by_item = dict(zip(valid(alone.items[0]), alone.scores[0], strict=False))
            for item, score in zip(together.items[user], together.scores[user], strict=True):
                assert by_item[int(item)] == pytest.approx(score, abs=self.tolerance, rel=1e-4)
            clear = np.diff(together.scores[user]) < -10 * self.tolerance
            if clear.all():
                assert together.items[user].tolist() == alone.items[0].tolist()

    def test_the_same_question_gets_the_same_answer(self, recommender, histories) -> None:
        first, second = (recommender.rank(histories, 6) for _ in range(2))
        assert np.array_equal(first.items, second.items)
        assert np.array_equal(first.scores, second.scores)

    def test_ties_go_to_the_lower_position(self, recommender, histories) -> None:
        ranking = recommender.rank(histories, ITEMS)
        equal = ranking.scores[:, 1:] == ranking.scores[:, :-1]
        assert (ranking.items[:, 1:] > ranking.items[:, :-1])[equal].all()

    def test_a_shorter_list_is_the_head_of_a_longer_one(self, recommender, histories) -> None:
        short, long = recommender.rank(histories, 3), recommender.rank(histories, ITEMS)
        assert np.array_equal(short.items, long.items[:, :3])

    def test_the_histories_are_left_as_they_were(self, recommender, histories) -> None:
        before = histories.items.copy()
        recommender.rank(histories, 3, exclude_seen=True)
        assert np.array_equal(before, histories.items)

    def test_histories_may_have_baskets(self, recommender) -> None:
        items = np.array([1, 2, 3], np.int32)
        history = History(items, None, np.array([0, 0, 1], np.int32))
        assert len(valid(recommender.rank(Sequences.of([history]), 4).items[0])) == 4

    def test_one_user_gets_items_by_id(self, recommender) -> None:
        best = recommender.recommend(["p0", "p1"], n=3)
        ranked = recommender.rank(Sequences.of([[0, 1]]), 3)
        assert [r.item.id for r in best] == [f"p{item}" for item in ranked.items[0]]

    def test_a_filter_allows_what_it_says(self, recommender) -> None:
        where = {"price": {"max": 7}, "brand": ["brand 0", "brand 2"], "deny": ["p3"]}
        best = recommender.recommend(["p0", "p1"], n=ITEMS, where=where)
        assert sorted(r.item.id for r in best) == ["p0", "p2", "p5", "p6"]

    def test_seen_items_may_be_left_out_by_the_filter(self, recommender) -> None:
        best = recommender.recommend(["p0", "p1"], n=ITEMS, where={"seen": False})
        assert {r.item.id for r in best} == {f"p{n}" for n in range(2, ITEMS)}

    @pytest.mark.parametrize("most", [1, 2])
    def test_limits_give_the_walk_down_the_whole_ranking(self, recommender, most) -> None:
        every = recommender.recommend(["p0", "p1"], n=ITEMS, where={"price": {"max": 9}})
        expected, held = [], {}
        for one in every:
            brand = one.item.attributes["brand"]
            held[brand] = held.get(brand, 0) + 1
            if held[brand] <= most:
                expected.append(one.item.id)
        for n in (2, ITEMS):
            where = {"price": {"max": 9}, "at_most": {"brand": most}}
            best = recommender.recommend(["p0", "p1"], n=n, where=where)
            assert [r.item.id for r in best] == expected[:n]

    def test_items_of_an_unknown_value_are_not_limited(self, recommender) -> None:
        where = {"at_most": {"brand": 1}}
        found = [r.item.id for r in recommender.recommend(["p0"], n=ITEMS, where=where)]
        assert len(found) == 4
        assert "p11" in found

    def test_many_requests_equal_each_alone(self, recommender) -> None:
        wishes = [None, {"price": {"max": 4}}, {"at_most": {"brand": 1}}, {"seen": False}]
        requests = [
            Request(History(np.array([user, user + 1], np.int32)), 2 + user, where, user == 1)
            for user, where in enumerate(wishes)
        ]
        baskets = np.array([0, 1, 1], np.int32)
        requests.append(Request(History(np.array([4, 5, 6], np.int32), None, baskets), 3))
        for one, request in zip(recommender.recommend_many(requests), requests, strict=True):
            alone = recommender.recommend_many([request])[0]
            assert [r.item.id for r in one] == [r.item.id for r in alone]

    def test_a_wrong_filter_is_an_error(self, recommender) -> None:
        with pytest.raises(InputError, match="did you mean 'brand'"):
            recommender.recommend(["p1"], where={"brnd": "brand 0"})

    def test_unknown_items_are_all_named(self, recommender) -> None:
        with pytest.raises(InputError, match=r"(?s)nope.*neither"):
            recommender.recommend(["nope", "p1", "neither"])

    @pytest.mark.parametrize("n", [0, -1])
    def test_asking_for_nothing_is_an_error(self, recommender, n) -> None:
        with pytest.raises(InputError, match=str(n)):
            recommender.recommend(["p1"], n=n)


class StoredRecommenderContract(RecommenderContract):
    """For recommenders with ``save(folder)`` and ``load(folder, catalog)``."""

    def test_stored_and_loaded_it_answers_the_same(
        self, recommender, histories, tmp_path: Path
    ) -> None:
        recommender.save(tmp_path / "it")
        again = type(recommender).load(tmp_path / "it", recommender.catalog)
        before, after = recommender.rank(histories, ITEMS), again.rank(histories, ITEMS)
        assert np.array_equal(before.items, after.items)
        assert np.array_equal(before.scores, after.scores)

    def test_nothing_stored_is_an_artefact_error(self, recommender, tmp_path: Path) -> None:
        with pytest.raises(ArtefactError):
            type(recommender).load(tmp_path, recommender.catalog)

    def test_another_catalogue_is_an_artefact_error(self, recommender, tmp_path: Path) -> None:
        recommender.save(tmp_path / "it")
        with pytest.raises(ArtefactError, match="another catalogue"):
            type(recommender).load(tmp_path / "it", recommender.catalog.take(np.arange(5)))

    def test_a_truncated_file_is_an_artefact_error(self, recommender, tmp_path: Path) -> None:
        recommender.save(tmp_path / "it")
        files = [path for path in (tmp_path / "it").rglob("*") if path.is_file()]
        assert files
        for path in files:
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            with pytest.raises(ArtefactError):
                type(recommender).load(tmp_path / "it", recommender.catalog)
            path.write_bytes(whole)
