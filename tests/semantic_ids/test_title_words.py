import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.title_words import NOTHING, TitleWords, words
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer

TITLES = ["Red Shampoo Rosemary", "Blue Shampoo", "Shampoo", "Red Comb", "Comb", "Red Shampoo"]


def catalog():
    return Catalog(pl.DataFrame({"item_id": [str(n) for n in range(len(TITLES))], "title": TITLES}))


def spelled(index, item):
    codes = index.semantic_id(item)
    return [index.words[level][code] for level, code in enumerate(codes[: len(index.words)])]


def test_common_words_stand_before_rare_ones_whatever_the_title_says():
    tokenizer = SemanticIdTokenizer(
        quantizer="title-words", levels=3, codebook_size=8, collisions="append"
    )
    index = tokenizer.fit(catalog(), np.zeros((6, 2), np.float32))
    assert spelled(index, "0") == ["shampoo", "red", "rosemary"]
    assert spelled(index, "2") == ["shampoo", "", ""]
    assert spelled(index, "3") == ["red", "comb", ""]


def test_words_outside_the_codebooks_are_passed_over():
    quantizer = TitleWords(levels=2, codebook_size=3)
    quantizer.fit(np.array(TITLES, dtype=object), seed=0)
    codes = quantizer.encode(np.array(["zebra shampoo", "zebra"], dtype=object))
    assert quantizer.words()[0][codes[0, 0]] == "shampoo"
    assert codes[1].tolist() == [NOTHING, NOTHING]


def test_the_index_keeps_its_words_on_disk(tmp_path):
    tokenizer = SemanticIdTokenizer(
        quantizer="title-words", levels=2, codebook_size=8, collisions="append"
    )
    index = tokenizer.fit(catalog(), np.zeros((6, 2), np.float32))
    tokenizer.save(tmp_path / "ids", index)
    _, again = SemanticIdTokenizer.load(tmp_path / "ids")
    assert [list(level) for level in again.words] == [list(level) for level in index.words]
    names = [again.word(token) for token in range(sum(again.codebook_sizes))]
    first = int(again.token_numbers[1, 0])
    assert names[first] == "shampoo"
    # The level that counts equal IDs has no words.
    assert names[-1] == ""


def test_an_llms_tokens_start_from_the_words_that_they_stand_for():
    from genrec.semantic_ids.index import code_words

    index = SemanticIndex(
        ["0", "1"], np.array([[1], [0]], np.int32), (3,), words=[["", "shampoo", "comb"]]
    )
    made = code_words(index, catalog().take([0, 1]))
    assert made == [["Blue Shampoo"], ["shampoo"], ["comb"]]


def test_words_are_cut_as_people_read_them():
    assert words("L'Oréal Men-Expert 24h, (2 x 50ml)") == [
        "l'oréal", "men-expert", "24h", "2", "x", "50ml",
    ]  # fmt: skip
