"""A recommender whose LLM sees: what comes next depends on the colour in the last picture."""

import numpy as np
import polars as pl
import pytest

from genrec.data.dataset import Dataset
from genrec.data.sequences import Sequences
from genrec.decoding.options import DecodeConfig
from genrec.errors import ConfigError
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.history_prompt import HistoryRows
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from tests.small_sight import COLOURS, llava_folder, seen_catalog

ITEMS = 24


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return str(llava_folder(tmp_path_factory.mktemp("llm")))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))


def shop(folder, users=60, *, colours=None, ends=ITEMS):
    """After an item whose picture has colour c comes an item of group c + 1.

    Histories end with the first item whose number is at least ``ends``.
    """
    catalog = seen_catalog(folder, ITEMS, colours=colours)
    generator = np.random.default_rng(0)
    rows = []
    for user in range(users):
        item = int(generator.integers(ITEMS))
        for time in range(6):
            rows.append((user, item, time))
            if item >= ends:
                break
            colour = item % len(COLOURS) if colours is None else COLOURS.index(colours[item])
            group = (colour + 1) % len(COLOURS)
            item = int(generator.integers(ITEMS // len(COLOURS))) * len(COLOURS) + group
    schema = {"user": pl.UInt32, "item": pl.UInt32, "time": pl.Int64}
    events = pl.DataFrame(rows, schema=schema, orient="row")
    names = np.array([f"u{user}" for user in range(users)], dtype=object)
    return Dataset("seen", catalog, names, events)


def trained(llm, dataset, folder, *, steps=2, **options):
    vectors = np.random.default_rng(0).normal(size=(ITEMS, 8)).astype(np.float32)
    index = SemanticIdTokenizer(levels=2, codebook_size=16).fit(dataset.catalog, vectors)
    chosen = {"batch_size": 4, "row_tokens": 512, "learning_rate": 1e-2, "dtype": "float32"}
    return GenerativeRecommender.train(
        llm, dataset, index, folder=folder, steps=steps, pictures=1, **{**chosen, **options}
    )


def test_what_was_saved_recommends_alike_and_needs_no_pictures(llm, tmp_path):
    dataset = shop(tmp_path / "pictures")
    recommender = trained(llm, dataset, tmp_path / "fit")
    ranked = recommender.rank(dataset.sequences.take(np.arange(5)), 5)
    recommender.save(tmp_path / "saved")
    loaded = GenerativeRecommender.load(tmp_path / "saved", dataset.catalog.with_media(None))
    again = loaded.rank(dataset.sequences.take(np.arange(5)), 5)
    np.testing.assert_array_equal(ranked.items, again.items)
    np.testing.assert_allclose(ranked.scores, again.scores, atol=1e-3)


def test_beams_with_pictures_are_exact_and_do_not_depend_on_the_batch(llm, tmp_path):
    dataset = shop(tmp_path / "pictures")
    recommender = trained(llm, dataset, tmp_path / "fit")
    histories = dataset.sequences.take(np.arange(6))
    together = recommender.rank(histories, ITEMS)
    alone = [recommender.rank(histories.take(np.array([row])), ITEMS) for row in range(6)]
    np.testing.assert_array_equal(together.items, np.concatenate([one.items for one in alone]))
    recommender.decode_by(DecodeConfig(exact=True))
    exact = recommender.rank(histories, ITEMS)
    np.testing.assert_array_equal(together.items, exact.items)
    np.testing.assert_allclose(together.scores, exact.scores, atol=1e-3)


def test_a_targets_picture_never_stands_before_its_codes(llm, tmp_path):
    dataset = shop(tmp_path / "pictures")
    recommender = trained(llm, dataset, tmp_path / "fit")
    rows = HistoryRows(recommender.prompt, dataset.sequences, seed=0)
    row = rows.row(0, 0)
    history = dataset.sequences[rows.spans[0][0]]
    places = np.flatnonzero(row.levels == 0)
    assert len(places) == len(history)
    for place, item in zip(places, history.items, strict=True):
        block = recommender.prompt.item_blocks[item]
        assert row.tokens[place : place + 2].tolist() == block[:2].tolist()
        assert row.levels[place : place + 3].tolist() == [0, 1, -1]
    assert rows.token_counts[0] == len(row.tokens)


def test_the_share_of_hidden_pictures_is_as_told_and_only_in_training(llm, tmp_path):
    dataset = shop(tmp_path / "pictures", colours=[COLOURS[n % 6] for n in range(ITEMS)])
    recommender = trained(llm, dataset, tmp_path / "fit", picture_dropout=0.5)
    absent = recommender.prompt.absent[0]
    rows = HistoryRows(recommender.prompt, dataset.sequences, seed=0)
    tokens = np.concatenate([rows.row(n, 0).tokens for n in range(len(rows.spans))])
    assert 0.4 < (tokens == absent).sum() / (60 * 6) < 0.6
    assert absent not in recommender.prompt.tokens(dataset.sequences[0])


def test_pictures_of_another_catalogue_are_refused(llm, tmp_path):
    dataset = shop(tmp_path / "pictures")
    recommender = trained(llm, dataset, tmp_path / "fit")
    recommender.backbone.pictures.known = np.ones(3, bool)
    with pytest.raises(ConfigError, match="pictures of 3 items"):
        GenerativeRecommender(
            recommender.backbone, dataset.catalog, recommender.index, recommender.config
        )


@pytest.mark.slow
def test_what_follows_an_item_is_known_from_its_picture_alone(llm, tmp_path):
    """Nothing ever follows the items of the second half in training: only their pictures tell."""
    generator = np.random.default_rng(1)
    colours = [COLOURS[n] for n in generator.permutation(np.arange(ITEMS) % len(COLOURS))]
    dataset = shop(tmp_path / "pictures", 600, colours=colours, ends=ITEMS // 2)
    options = {"steps": 70, "adapt": "full", "learning_rate": 5e-3, "batch_size": 8}
    recommender = trained(llm, dataset, tmp_path / "fit", **options)
    test = [history for history in dataset.sequences if history.items[-1] >= ITEMS // 2]
    sequences = Sequences.of(test)
    wanted = [(COLOURS.index(colours[h.items[-1]]) + 1) % len(COLOURS) for h in test]

    def share_right():
        first = recommender.rank(sequences, 1).items[:, 0]
        return float(np.mean(first % len(COLOURS) == np.array(wanted)))

    seen = share_right()
    recommender.prompt.item_blocks[:, recommender.index.levels :] = recommender.prompt.absent
    blind = share_right()
    assert seen > 0.9
    assert blind < 0.6
