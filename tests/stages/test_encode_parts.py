import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.storage import write_dataset
from genrec.encoders.modalities import encode_modalities
from genrec.encoders.options import EncodeConfig
from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.stages.encode_parts import OpenEncoders, fill_cache, parts_of
from genrec.stages.pipeline import run_recipe
from genrec.stages.run import Engine
from genrec.workspace import Workspace, write_artefact
from tests.ray_workers import one_killed
from tests.small import small_dataset

OPTIONS = EncodeConfig(fields=["title"])


def catalog(items: int = 90) -> Catalog:
    """Titles of many lengths; every tenth has the one before it, every fifteenth none."""
    titles = [f"thing {n}{' of wood' * (n % 7)}" for n in range(items)]
    for n in range(9, items, 10):
        titles[n] = titles[n - 1]
    for n in range(0, items, 15):
        titles[n] = ""
    return Catalog(pl.DataFrame({"item_id": [f"i{n}" for n in range(items)], "title": titles}))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A data set of its own in a folder."""
    folder = tmp_path_factory.mktemp("data") / "dataset"
    small = small_dataset(3)
    with write_artefact(folder, "dataset") as at:
        write_dataset(Dataset("things", catalog(), small.users, small.events), at)
    return folder


def filled(stored, cache, engine="local", workers=0, items=20):
    told = []
    fill_cache(
        parts_of(catalog(), OPTIONS, items=items),
        OpenEncoders(stored, OPTIONS, cache),
        engine=engine,
        workers=workers,
        progress=lambda done, whole: told.append((done, whole)),
    )
    return told


def vectors(cache):
    """What lies in a cache, joined for the whole catalogue; nothing is encoded if all is there."""
    seen = []
    found = encode_modalities(
        OPTIONS, catalog(), cache=cache, progress=lambda done, whole: seen.append(done)
    )
    return found["text"].vectors, seen[0]


def test_parts_hold_each_distinct_text_once_and_those_of_like_length_together():
    parts = parts_of(catalog(), OPTIONS, items=20)
    texts = catalog().texts(["title"])
    rows = [row for part in parts for row in part.rows]
    assert sorted(texts[row] for row in rows) == sorted({text for text in texts if text})
    assert [part.size for part in parts] == [20, 20, 20, 20, 1]
    lengths = [len(texts[row]) for row in rows]
    assert lengths == sorted(lengths, reverse=True)


def test_what_parts_leave_in_the_cache_is_what_encoding_at_once_gives(stored, tmp_path):
    told = filled(stored, tmp_path / "parts")
    assert told[-1] == (81, 81)
    by_parts, known = vectors(tmp_path / "parts")
    at_once, nothing = vectors(tmp_path / "once")
    assert (known, nothing) == (90, 0)
    np.testing.assert_allclose(by_parts, at_once, atol=2e-2)
    assert ((by_parts * at_once).sum(1)[at_once.any(1)] > 0.999).all()


def test_an_engine_that_is_not_there_is_refused(tmp_path):
    content = {"name": "x", "data": {"source": "tables"}}
    with pytest.raises(ConfigError, match="no engine 'rey'"):
        run_recipe(Recipe.parse(content), Workspace(tmp_path), engine=Engine("rey"))


@pytest.mark.slow
def test_ray_gives_the_same_vectors_although_a_worker_is_killed(stored, tmp_path):
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    filled(stored, tmp_path / "here", items=5)
    there = tmp_path / "there"
    with one_killed(lambda: any(there.rglob("*.safetensors"))) as killed:
        told = filled(stored, there, "ray", workers=2, items=5)
    assert killed
    assert told[-1] == (81, 81)
    undisturbed, _ = vectors(tmp_path / "here")
    found, known = vectors(there)
    assert known == 90
    np.testing.assert_array_equal(found, undisturbed)
