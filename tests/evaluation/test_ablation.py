"""What each modality adds: on a shop where only the picture matters, and nothing else does."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.encoders.base import ItemVectors
from genrec.encoders.fusion_options import FusionConfig
from genrec.errors import InputError
from genrec.evaluation.ablation import HIDDEN, RETRAINED, Ablation, ablate, subsets
from genrec.recommenders.content import ContentRecommender
from genrec.training.content_options import ContentConfig
from genrec.training.options import FitConfig

ITEMS, USERS = 40, 120
SMALL = ContentConfig(
    fusion=FusionConfig(width=32, modality_dropout=0.4), blocks=1, max_history=8, dropout=0.0
)
SHORT = FitConfig(steps=80, batch_size=32, learning_rate=5e-3)


def case() -> tuple[Dataset, Holdout, dict[str, ItemVectors]]:
    """Four colours, seen in the picture; every shopper keeps to one. Words say nothing."""
    rng = np.random.default_rng(0)
    colours = np.arange(ITEMS) % 4
    ids = tuple(f"p{n}" for n in range(ITEMS))
    items = np.concatenate(
        [rng.permutation(np.flatnonzero(colours == user % 4))[:5] for user in range(USERS)]
    )
    events = {
        "user": np.repeat(np.arange(USERS), 5).astype(np.uint32),
        "item": items.astype(np.uint32),
        "time": np.arange(len(items), dtype=np.int64),
    }
    catalog = Catalog(pl.DataFrame({"item_id": ids, "title": ids}))
    names = np.array([f"u{n}" for n in range(USERS)], dtype=object)
    training, test = Dataset("colours", catalog, names, pl.DataFrame(events)).split("last-out")
    seen = np.ones(ITEMS, bool)
    seen[:3] = False
    pictures = (np.eye(4)[colours] + 0.1 * rng.normal(size=(ITEMS, 4))).astype(np.float32)
    words = np.ones((ITEMS, 3), np.float32) * [1, 2, 3]
    return (
        training,
        test,
        {
            "text": ItemVectors(ids, words.astype(np.float32), np.ones(ITEMS, bool), "text"),
            "image": ItemVectors(ids, pictures, seen, "image"),
        },
    )


@pytest.fixture(scope="module")
def found() -> Ablation:
    training, test, modalities = case()

    def train(seen: tuple[str, ...]) -> ContentRecommender:
        return ContentRecommender.train(
            training,
            modalities={name: modalities[name] for name in seen},
            config=SMALL,
            fit_config=SHORT,
        )

    return ablate(train(("text", "image")), test, retrain=train)


def test_subsets_are_all_each_left_out_and_each_alone() -> None:
    assert subsets("ab") == [("a", "b"), ("a",), ("b",)]
    assert len(subsets("abc")) == 7
    assert subsets("abcd") == [
        tuple("abcd"),
        *[tuple(one) for one in ("abc", "abd", "acd", "bcd")],
        *[(one,) for one in "abcd"],
    ]


def test_what_matters_adds_and_what_says_nothing_does_not(found) -> None:
    for how in (HIDDEN, RETRAINED):
        picture, words = found.without("image", how).added, found.without("text", how).added
        assert picture.verdict == "wins"
        assert picture.difference.low > 0.1
        assert abs(words.difference.mean) < picture.difference.mean / 2


def test_items_within_reach_are_counted(found) -> None:
    reach = {(row.seen, row.how): row.reachable for row in found.rows}
    assert reach[("text", "image"), HIDDEN] == reach[("text",), HIDDEN] == ITEMS
    assert reach[("image",), HIDDEN] == ITEMS - 3
    assert found.coverage == {"text": ITEMS, "image": ITEMS - 3}


def test_differences_are_those_of_the_figures(found) -> None:
    whole = found.rows[0].result.estimates[found.metric].mean
    for row in found.rows[1:]:
        mean = row.result.estimates[found.metric].mean
        assert row.added.difference.mean == pytest.approx(whole - mean)


def test_it_prints_tables_and_a_sentence_for_each_modality(found) -> None:
    text = str(found)
    assert text.count("text + image") == 1
    assert "Seen (hidden at test time where not)" in text
    assert "Seen (trained without the others)" in text
    assert "image adds 0." in text
    assert f"with text {ITEMS}, image {ITEMS - 3}" in text


def test_it_is_json(found) -> None:
    values = json.loads(json.dumps(found.to_dict()))
    assert [row["seen"] for row in values["rows"]][:3] == [["text", "image"], ["text"], ["image"]]
    assert values["rows"][0]["all_minus_this"] is None
    assert values["rows"][1]["all_minus_this"]["verdict"] == "wins"


def test_rows_that_were_not_measured_are_an_error(found) -> None:
    with pytest.raises(InputError, match="without 'audio'"):
        found.without("audio")
