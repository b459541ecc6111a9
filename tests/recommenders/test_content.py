"""The content recommender: the contract, each objective, items nobody chose, missing pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sequences import History, Sequences
from genrec.encoders.base import ItemVectors
from genrec.encoders.fusion_options import FusionConfig
from genrec.encoders.modality_vectors import Modalities
from genrec.errors import ConfigError, InputError
from genrec.recommenders.content import ContentRecommender
from genrec.recommenders.content_network import ContentNetwork
from genrec.recommenders.content_rows import asked, masking, stretches
from genrec.recommenders.sasrec_network import NO_TARGET, START_RANK
from genrec.training.content_options import ContentConfig
from genrec.training.options import FitConfig
from tests.contracts.recommender import ITEMS, StoredRecommenderContract, shop

SMALL = ContentConfig(
    fusion=FusionConfig(width=32, modality_dropout=0.2),
    blocks=1,
    max_history=8,
    dropout=0.0,
)
SHORT = FitConfig(steps=100, batch_size=8, learning_rate=5e-3, schedule="constant")


def vectors(ids: list[str], dimensions: int, seed: int) -> ItemVectors:
    values = np.random.default_rng(seed).normal(size=(len(ids), dimensions)).astype(np.float32)
    return ItemVectors(tuple(ids), values, np.ones(len(ids), bool), str(seed))


def two(catalog: Catalog) -> dict[str, ItemVectors]:
    return {"text": vectors(catalog.ids, 16, 1), "image": vectors(catalog.ids, 12, 2)}


def train(dataset: Dataset | None = None, fit_config: FitConfig = SHORT, **options):
    dataset = dataset or shop()
    config = replace(SMALL, **options)
    return ContentRecommender.train(
        dataset, modalities=two(dataset.catalog), config=config, fit_config=fit_config
    )


class TestNextItem(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return train(alignment="info-nce")

    def test_it_learns_what_comes_next(self, recommender) -> None:
        ranking = recommender.rank(Sequences.of([[0, 1, 2], [4, 5, 6]]), 1)
        assert ranking.items[:, 0].tolist() == [3, 7]


class TestMaskedItem(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return train(
            objective="masked-item", fit_config=replace(SHORT, steps=400, learning_rate=2e-3)
        )

    def test_it_learns_what_comes_next(self, recommender) -> None:
        best = recommender.rank(Sequences.of([[0, 1, 2], [4, 5, 6]]), 3).items
        assert 3 in best[0]
        assert 7 in best[1]


class TestUserItem(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return train(objective="user-item")

    def test_the_order_of_a_history_means_nothing(self, recommender) -> None:
        scores = recommender.scores(
            Sequences.of(
                [
                    History(np.array(items, np.int32), None, np.zeros(3, np.int32))
                    for items in ([0, 1, 2], [2, 0, 1])
                ]
            )
        )
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


class TestSampledCandidatesOfBaskets(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return train(shop(baskets=True), negatives=2)


def coloured_shop() -> tuple[Dataset, dict[str, ItemVectors]]:
    """Forty items of four colours; every shopper keeps to one. The last of each was never sold."""
    colours = np.arange(40) % 4
    ids = [f"p{n}" for n in range(40)]
    catalog = Catalog(pl.DataFrame({"item_id": ids, "title": ids}))
    rng = np.random.default_rng(0)
    users, items = [], []
    for user in range(80):
        sold = np.flatnonzero(colours == user % 4)[:-1]
        users += [user] * 5
        items += rng.permutation(sold)[:5].tolist()
    columns = {
        "user": np.array(users, np.uint32),
        "item": np.array(items, np.uint32),
        "time": np.arange(400, dtype=np.int64),
    }
    names = np.array([f"u{n}" for n in range(80)], dtype=object)
    noise = rng.normal(size=(40, 4)) * 0.1
    image = ItemVectors(
        tuple(ids), (np.eye(4)[colours] + noise).astype(np.float32), np.ones(40, bool), "image"
    )
    made = {"text": vectors(ids, 6, 3), "image": image}
    return Dataset("colours", catalog, names, pl.DataFrame(columns)), made


@pytest.fixture(scope="module")
def of_colours() -> ContentRecommender:
    dataset, modalities = coloured_shop()
    return ContentRecommender.train(
        dataset,
        modalities=modalities,
        config=replace(SMALL, fusion=FusionConfig(width=32, modality_dropout=0.5)),
        fit_config=replace(SHORT, steps=100, batch_size=32),
    )


def test_items_never_sold_are_ranked_like_those_that_look_alike(of_colours) -> None:
    ranking = of_colours.rank(Sequences.of([[colour, colour + 4] for colour in range(4)]), 10)
    for colour, row in enumerate(ranking.items):
        assert {int(item) % 4 for item in row} == {colour}
        assert 36 + colour in row


def test_an_item_never_sold_can_be_ranked_first(of_colours) -> None:
    history = Sequences.of([[0, 4, 8]])
    seen = np.zeros(40, bool)
    # Against all items of other colours, and against one that everybody of this colour knows.
    seen[np.arange(40) % 4 != 0] = True
    seen[36] = True
    assert of_colours.rank(history, 1, allowed=seen).items[0, 0] == 36


def test_new_items_join_without_training(of_colours) -> None:
    dataset, old = coloured_shop()
    ids = [*dataset.catalog.ids, "new red", "new blue"]
    catalog = Catalog(pl.DataFrame({"item_id": ids, "title": ids}))
    grown = {
        "text": ItemVectors(
            tuple(ids),
            np.vstack([old["text"].vectors, np.zeros((2, 6), np.float32)]),
            np.array([True] * 40 + [False] * 2),
            "text",
        ),
        "image": ItemVectors(
            tuple(ids),
            np.vstack([old["image"].vectors, np.eye(4, dtype=np.float32)[:2]]),
            np.ones(42, bool),
            "image",
        ),
    }
    wider = of_colours.seeing(Modalities(grown), catalog)
    best = wider.recommend(["p1", "p5", "p9"], n=11)
    assert "new blue" in [one.item.id for one in best]
    assert "new red" not in [one.item.id for one in best]


def test_without_pictures_it_neither_fails_nor_knows_colours(of_colours) -> None:
    blind = of_colours.seeing(of_colours.modalities.hide(["image"]))
    histories = Sequences.of([[colour, colour + 4] for colour in range(4)])
    found = blind.rank(histories, 10).items % 4
    hits = (found == np.arange(4)[:, None]).mean()
    assert hits < 0.6
    assert (of_colours.rank(histories, 10).items % 4 == np.arange(4)[:, None]).all()


def test_an_item_of_no_modality_is_masked_never_recommended_and_may_be_in_a_history() -> None:
    dataset = shop()
    modalities = two(dataset.catalog)
    for one in modalities.values():
        one.mask[4] = False
        one.vectors[4] = np.nan
    recommender = ContentRecommender.train(
        dataset, modalities=modalities, config=SMALL, fit_config=replace(SHORT, steps=5)
    )
    assert recommender.item_vectors().mask.tolist() == [n != 4 for n in range(ITEMS)]
    ranking = recommender.rank(Sequences.of([[3, 4], [4], [1]]), ITEMS)
    assert 4 not in ranking.items
    assert np.isfinite(ranking.scores[:, : ITEMS - 1]).all()


def test_item_vectors_have_length_one_and_name_their_weights() -> None:
    short = replace(SHORT, steps=2)
    one, other = train(fit_config=short), train(fit_config=replace(short, seed=1))
    made = one.item_vectors()
    assert np.linalg.norm(made.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert made.fingerprint == train(fit_config=short).item_vectors().fingerprint
    assert made.fingerprint != other.item_vectors().fingerprint


def test_an_event_does_not_see_later_ones_unless_events_are_masked() -> None:
    dataset = shop()
    items = torch.tensor([[0, 1, 2, 3, 4]])
    changed = torch.tensor([[0, 1, 2, 9, 8]])
    ranks = torch.arange(5)[None]
    for objective in ("next-item", "user-item", "masked-item"):
        torch.manual_seed(0)
        config = replace(SMALL, objective=objective)
        network = ContentNetwork(Modalities(two(dataset.catalog)), config).eval()
        table, _ = network.table()
        one, other = (network.encode(table[each], ranks) for each in (items, changed))
        assert torch.allclose(one[:, :3], other[:, :3], atol=1e-6) != (objective == "masked-item")


def test_a_hidden_event_is_not_seen() -> None:
    torch.manual_seed(0)
    dataset = shop()
    config = replace(SMALL, objective="masked-item")
    network = ContentNetwork(Modalities(two(dataset.catalog)), config).eval()
    table, _ = network.table()
    hidden = torch.tensor([[False, False, True]])
    ranks = torch.arange(3)[None]
    one, other = (
        network.encode(table[torch.tensor([[0, 1, item]])], ranks, hidden) for item in (2, 7)
    )
    assert torch.equal(one, other)


def test_masking_hides_at_least_one_event_and_predicts_only_those() -> None:
    torch.manual_seed(0)
    rows = stretches(Sequences.of([[5, 6, 7, 8, 9], [3]]), 4)
    assert sorted(row.items.tolist() for row in rows) == [[3], [5], [6, 7, 8, 9]]
    for _ in range(20):
        batch = masking(0.3)(rows)
        told = batch["targets"] != NO_TARGET
        assert told.any(dim=1).all()
        assert not told[:, 0].any()
        assert torch.equal(batch["targets"][told], batch["items"][told])


def test_the_event_asked_for_stands_behind_the_newest() -> None:
    items, ranks, read = asked(Sequences.of([[5, 6], [], [7]]), 4)
    assert ranks.tolist() == [
        [START_RANK, 1, 2, 3],
        [START_RANK, 1, 4, 4],
        [START_RANK, 1, 2, 4],
    ]
    assert read.int().argmax(dim=1).tolist() == [3, 1, 2]
    assert read.sum().item() == 3
    assert items[0, 1:3].tolist() == [5, 6]


def test_scoring_sampled_candidates_with_all_drawn_gives_the_full_loss(monkeypatch) -> None:
    dataset = shop()
    batch = {
        "items": torch.tensor([[0, 3, 4]]),
        "ranks": torch.tensor([[0, 1, 2]]),
        "targets": torch.tensor([[NO_TARGET, 4, 11]]),
    }
    losses = []
    monkeypatch.setattr(torch, "randint", lambda *args, **kwargs: torch.arange(ITEMS))
    for negatives in (0, ITEMS - 1):
        torch.manual_seed(0)
        config = replace(SMALL, negatives=negatives)
        network = ContentNetwork(Modalities(two(dataset.catalog)), config).eval()
        losses.append(network(**batch).item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_what_nobody_chose_is_contrasted_with_nothing() -> None:
    dataset = shop()
    torch.manual_seed(0)
    modalities = Modalities(two(dataset.catalog))
    network = ContentNetwork(modalities, SMALL, chosen=np.array([3, 5, 5, 7])).eval()
    batch = {
        "items": torch.tensor([[3, 5]]),
        "ranks": torch.tensor([[0, 1]]),
        "targets": torch.tensor([[5, 7]]),
    }
    table, _ = network.table()
    wanted = network.encode(table[batch["items"]], batch["ranks"])[0]
    scores = network.logits(wanted, table[[3, 5, 7]])
    by_hand = torch.nn.functional.cross_entropy(scores, torch.tensor([1, 2]))
    assert network(**batch).item() == pytest.approx(by_hand.item(), abs=1e-5)


def test_steps_are_chosen_on_held_out_events_and_then_everything_is_used() -> None:
    recommender = train(fit_config=FitConfig(steps=6, batch_size=4, validate_every=2))
    chosen, refit = recommender.trained
    assert refit.steps == chosen.best_step


def test_modalities_of_other_items_are_refused() -> None:
    dataset = shop()
    other = two(dataset.catalog.take(np.arange(5)))
    with pytest.raises(InputError, match="hold 5 items, the catalogue 12"):
        ContentRecommender.train(dataset, modalities=other)
    recommender = train(fit_config=replace(SHORT, steps=1))
    with pytest.raises(InputError, match="was trained on"):
        recommender.seeing(Modalities({"text": two(dataset.catalog)["text"]}))


def test_options_that_do_not_fit_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"(?s)did you mean 'next-item'.*masked_share is 1"):
        ContentConfig(objective="next-itm", masked_share=1.0)
