import numpy as np
import pytest

from genrec.data.sequences import Sequences
from genrec.errors import ConfigError
from genrec.llm.text import Message, TextModel
from genrec.llm.text_transformers import TransformersText
from genrec.recommenders.base import NO_ITEM
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.options import RerankConfig
from genrec.recommenders.reranker import Reranker
from tests.contracts.recommender import ITEMS, RecommenderContract, shop, valid
from tests.small_chat import write_chat_model


class Reader(TextModel):
    """Wants the highest number of a title, and beside that whatever stands under ``A``."""

    name = "reader"

    def __init__(self, *, tells: bool, fond_of_a: float = 0.0) -> None:
        self.tells, self.fond_of_a = tells, fond_of_a
        self.asked: list[str] = []

    def _wanted(self, messages, letters) -> list[float]:
        self.asked.append(messages[-1].content)
        lines = dict(
            line.split(". ", 1) for line in messages[-1].content.splitlines() if line[1:3] == ". "
        )
        numbers = [float(lines[one].rpartition(" ")[2]) for one in letters]
        return [n + self.fond_of_a * (one == "A") for n, one in zip(numbers, letters, strict=True)]

    def _weigh(self, messages, choices):
        return self._wanted(messages, choices) if self.tells else None

    def _choose(self, messages, choices, _begun):
        return int(np.argmax(self._wanted(messages, choices)))

    def _answer(self, conversations, sampling):
        pytest.fail("a re-ranker asks for letters only, and here it asked for an answer in words")

    def _stream(self, messages, sampling):
        pytest.fail("a re-ranker asks for letters only, and here it asked for a stream of words")


@pytest.fixture(scope="module")
def inner():
    return Cooccurrence.train(shop())


class TestReranker(RecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls, tmp_path_factory):
        model = TransformersText(write_chat_model(tmp_path_factory.mktemp("chat")), device="cpu")
        config = RerankConfig(candidates=4, permutations=2)
        return Reranker(Cooccurrence.train(shop()), model, config)


class TestRerankerOfAModelThatTellsNothing(RecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return Reranker(Cooccurrence.train(shop()), Reader(tells=False), RerankConfig(candidates=4))


def test_the_first_of_a_list_come_as_the_model_wants_and_the_rest_as_it_was(inner):
    histories = shop().sequences
    given = inner.rank(histories, ITEMS).items
    found = Reranker(inner, Reader(tells=True), RerankConfig(candidates=5)).rank(histories, ITEMS)
    for before, after in zip(given, found.items, strict=True):
        assert after[:5].tolist() == sorted(before[:5].tolist(), reverse=True)
        assert after[5:].tolist() == before[5:].tolist()
    assert (np.diff(found.scores) < 0).all()


def test_a_model_that_tells_nothing_is_asked_for_its_first_choices(inner):
    histories = shop().sequences
    given = inner.rank(histories, 6).items
    found = Reranker(inner, Reader(tells=False), RerankConfig(candidates=6)).rank(histories, 6)
    for before, after in zip(given, found.items, strict=True):
        chosen = sorted(before.tolist(), reverse=True)[:3]
        assert after[:3].tolist() == chosen
        # Among those that were not chosen, the given order decides.
        assert after[3:].tolist() == [item for item in before.tolist() if item not in chosen]


def test_a_liking_for_the_first_letter_is_averaged_out_by_turning_the_list(inner):
    histories = shop().sequences
    reader = Reader(tells=True, fond_of_a=9.0)
    right = []
    for permutations in (1, 5):
        config = RerankConfig(candidates=5, permutations=permutations)
        found = Reranker(inner, reader, config).rank(histories, 5).items
        right.append(np.mean([row.tolist() == sorted(row.tolist())[::-1] for row in found]))
    assert right[0] < 0.6
    assert right[1] == 1.0


def test_the_model_reads_the_latest_titles_and_the_candidates(inner):
    reader = Reader(tells=True)
    config = RerankConfig(candidates=3, permutations=1, history=2)
    Reranker(inner, reader, config).rank(Sequences.of([[0, 1, 2]]), 3)
    (text,) = reader.asked
    assert "- Product 1\n- Product 2\n" in text
    assert "Product 0\n" not in text.partition("Which")[0]
    assert text.count("\nA. Product") == text.count("\nC. Product") == 1


def test_the_given_order_can_count_beside(inner):
    histories = shop().sequences
    config = RerankConfig(candidates=5, order_weight=1e6)
    found = Reranker(inner, Reader(tells=True), config).rank(histories, 5).items
    assert np.array_equal(found, inner.rank(histories, 5).items)


def test_one_candidate_needs_no_model(inner):
    reader = Reader(tells=True)
    allowed = np.zeros(ITEMS, bool)
    allowed[7] = True
    found = Reranker(inner, reader).rank(Sequences.of([[1]]), 3, allowed=allowed)
    assert (valid(found.items[0]), reader.asked) == ([7], [])
    assert (found.items[0, 1:] == NO_ITEM).all()


@pytest.mark.parametrize("wrong", [{"candidates": 27}, {"candidates": 1}, {"permutations": 0}])
def test_options_that_do_not_fit_are_told(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RerankConfig(**wrong)


def test_a_model_of_transformers_tells_the_chance_of_every_letter(tmp_path):
    model = TransformersText(write_chat_model(tmp_path), device="cpu")
    hello = [Message("user", "Hello")]
    found = model.weigh(hello, ["A", "B", "C"])
    assert found[model.choose(hello, ["A", "B", "C"])] == max(found)
    assert np.exp(found).sum() < 1
