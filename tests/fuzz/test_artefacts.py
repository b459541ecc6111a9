"""Folders that genrec writes itself, damaged on the disk, or sealed by somebody else.

A seal tells whatever has changed since. What a stranger sealed is whole and may still hold
anything; what lies behind the seal refuses that, too.
"""

import numpy as np
import pytest

from genrec.creatives.bandit import LinearBandit
from genrec.data.storage import read_dataset, write_dataset
from genrec.decoding.trie import Trie
from genrec.diffusion.prefix import PrefixConfig, ProfilePrefix
from genrec.encoders.base import ItemVectors
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.groups import HistoryGroups
from genrec.recommenders.popular import Popular
from genrec.recommenders.sasrec import SASRec
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.training.options import FitConfig
from tests.fuzz.damage import check_reader
from tests.small import small_catalog, small_dataset, small_index, small_vectors

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


BARE = {
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
