"""Folders that genrec writes itself, damaged on the disk, or sealed by somebody else.

A seal tells whatever has changed since. What a stranger sealed is whole and may still hold
anything; what lies behind the seal refuses that, too.
"""

import numpy as np
import polars as pl
import pytest

from genrec.creatives.ad_store import AdStore
from genrec.creatives.bandit import LinearBandit
from genrec.creatives.media_store import MediaStore
from genrec.data.storage import read_dataset, write_dataset
from genrec.decoding.trie import Trie
from genrec.diffusion.prefix import PrefixConfig, ProfilePrefix
from genrec.encoders.base import ItemVectors
from genrec.encoders.cache import VectorCache
from genrec.errors import ArtefactError
from genrec.profiles.build import Builder
from genrec.profiles.options import ProfileConfig
from genrec.profiles.storage import read_profiles, write_profiles
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.groups import HistoryGroups
from genrec.recommenders.popular import Popular
from genrec.recommenders.sasrec import SASRec
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.training.options import FitConfig
from genrec.workspace import open_artefact, write_artefact
from tests.creatives.test_media_store import medium
from tests.fuzz.damage import check_reader, files_of
from tests.profiles.shop import shop
from tests.small import small_catalog, small_dataset, small_index, small_recommender, small_vectors

CATALOG, DATA = small_catalog(), small_dataset(30)
HISTORIES = DATA.sequences[:4]


def vectors():
    ids = tuple(CATALOG.ids)
    return ItemVectors(ids, small_vectors(), np.ones(len(ids), bool), "print")


def write_tokenizer(kind):
    def write(folder):
        made = SemanticIdTokenizer(levels=3, codebook_size=8, quantizer=kind)
        made.save(folder / "a", made.fit(CATALOG, small_vectors()))

    return write


def read_tokenizer(folder):
    SemanticIdTokenizer.load(folder / "a")


def write_sasrec(folder):
    fit = FitConfig(steps=1, batch_size=4)
    SASRec.train(DATA, fit_config=fit).save(folder)


def ranked(kind):
    return lambda folder: kind.load(folder, CATALOG).rank(HISTORIES, 5)


def write_ads(folder):
    columns = {"key": ["k1", "k2"], "record": ["{}", "{}"]}
    table = pl.DataFrame({**columns, "tokens_in": [1, 2], "tokens_out": [3, 4]})
    AdStore(folder).write(table)


def read_ads(folder):
    store = AdStore(folder)
    store.held()
    store.spent()
    store.records(pl.Series(["k1", "k2"]))


def write_vectors_kept(folder):
    keys = [bytes([number]) * 32 for number in range(4)]
    VectorCache("print", 8, folder).add(keys, small_vectors(4))


def write_crowd(folder):
    builder = Builder.of(shop(users=12, visits=6), ProfileConfig())
    write_profiles(builder.of_histories(builder.sequences), folder)


BARE = {
    "ads kept": (write_ads, read_ads),
    "vectors kept": (
        write_vectors_kept,
        lambda folder: VectorCache("print", 8, folder).find([b"\1" * 32]),
    ),
    "media kept": (
        lambda folder: MediaStore(folder).write(*medium(1)),
        lambda folder: MediaStore(folder).find([medium(1)[0].id]),
    ),
    "profiles": (write_crowd, read_profiles),
    "vectors": (lambda folder: vectors().write(folder), lambda f: ItemVectors.read(f, CATALOG)),
    "data set": (lambda folder: write_dataset(DATA, folder), lambda f: read_dataset(f).sequences),
    "index": (lambda folder: small_index().write(folder), SemanticIndex.read),
    "groups": (
        lambda folder: HistoryGroups(("a", "b"), {"u1": 1}, np.zeros(60, np.int32)).write(folder),
        lambda folder: HistoryGroups.read(folder, CATALOG),
    ),
    "popular": (lambda folder: Popular.train(DATA).save(folder), ranked(Popular)),
    "cooccurrence": (lambda folder: Cooccurrence.train(DATA).save(folder), ranked(Cooccurrence)),
    "sasrec": (write_sasrec, ranked(SASRec)),
    "profile prefix": (
        lambda folder: ProfilePrefix(PrefixConfig(4, 2, 8)).save(folder / "a"),
        lambda folder: ProfilePrefix.load(folder / "a"),
    ),
}
SEALED = {
    "residual k-means": (write_tokenizer("residual-kmeans"), read_tokenizer),
    "product codes": (write_tokenizer("opq"), read_tokenizer),
    "trie": (
        lambda folder: Trie.build(small_index().codes).save(folder / "a"),
        lambda folder: Trie.load(folder / "a"),
    ),
    "bandit": (
        lambda folder: LinearBandit(4).save(folder / "a"),
        lambda folder: LinearBandit.open(folder / "a").choose(np.eye(4)),
    ),
}


@pytest.mark.parametrize("name", BARE)
def test_damaged_files_of_a_stage_are_read_or_refused(name, tmp_path):
    write, read = BARE[name]
    write(tmp_path)
    check_reader(tmp_path, read)


@pytest.mark.parametrize("name", SEALED)
def test_what_a_stranger_sealed_is_read_or_refused(name, tmp_path):
    write, read = SEALED[name]
    write(tmp_path)
    check_reader(tmp_path, read, resealed=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    small_recommender(folder / "fit", steps=1).save(folder / "made" / "a")
    return folder / "made"


def test_a_recommender_that_a_stranger_sealed_is_read_or_refused(trained):
    names = ("generative.json", "levels.json", "codes.parquet", "backbone.json")
    check_reader(
        trained,
        lambda folder: GenerativeRecommender.load(folder / "a", CATALOG),
        examples=8,
        resealed=True,
        only=tuple(f"a/{name}" for name in names),
    )


def test_a_seal_tells_whatever_has_changed_since(tmp_path):
    with write_artefact(tmp_path / "a", "thing") as inside:
        (inside / "values.json").write_text('{"a": 1}')
    open_artefact(tmp_path / "a", "thing")
    for name, whole in files_of(tmp_path / "a").items():
        for changed in (whole[:-1], whole + b" ", b"", whole.replace(b"1", b"2")):
            (tmp_path / "a" / name).write_bytes(changed)
            if name == "values.json":
                with pytest.raises(ArtefactError, match=r"values\.json"):
                    open_artefact(tmp_path / "a", "thing")
            else:
                try:
                    open_artefact(tmp_path / "a", "thing")
                except ArtefactError as error:
                    assert str(error)
        (tmp_path / "a" / name).write_bytes(whole)
