import numpy as np
import pytest

from genrec.data.sequences import History
from genrec.errors import ConfigError
from genrec.recommenders.history_prompt import HistoryPrompt, HistoryRows, favourite_items
from genrec.recommenders.options import PromptConfig
from genrec.training.packing import NO_TARGET
from tests.small import small_dataset, small_recommender


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    return small_recommender(tmp_path_factory.mktemp("fit"), steps=1)


def prompt_of(recommender, **options) -> HistoryPrompt:
    return HistoryPrompt(PromptConfig(**options), recommender.backbone, recommender.index)


def text_of(recommender, tokens) -> str:
    return recommender.backbone.text_tokenizer.decode(list(tokens))


def ids_of(recommender, items) -> str:
    return "".join(str(recommender.index.semantic_id(f"i{item}")) for item in items)


def test_a_prompt_reads_as_its_template_with_ids(recommender):
    text = text_of(recommender, prompt_of(recommender).tokens(History(np.array([4, 9]))))
    assert text.endswith("Chosen in order: " + ids_of(recommender, [4, 9]))


def test_a_prompt_names_the_favourites_of_the_time_before(recommender):
    prompt = prompt_of(recommender, history=2, favourites=1)
    text = text_of(recommender, prompt.tokens(History(np.array([7, 5, 5, 4, 9]))))
    assert f"Often chosen: {ids_of(recommender, [5])}\n" in text
    assert text.endswith(ids_of(recommender, [4, 9]))


def test_a_basket_opens_with_its_token_and_the_next_one_is_open(recommender):
    history = History(np.array([1, 2, 3]), baskets=np.array([0, 0, 1]))
    text = text_of(recommender, prompt_of(recommender).tokens(history))
    first, second = ids_of(recommender, [1, 2]), ids_of(recommender, [3])
    assert text.endswith(f"<basket>{first}<basket>{second}<basket>")


def test_a_training_row_begins_like_the_prompt_of_the_same_history(recommender):
    dataset = small_dataset(30, baskets=True)
    prompt = prompt_of(recommender, history=4, favourites=3)
    rows = HistoryRows(prompt, dataset.sequences, seed=0)
    for number, (user, start, end) in enumerate(rows.spans):
        row = rows.row(number, 0)
        assert len(row.tokens) == rows.token_counts[number]
        history = dataset.sequences[user]
        before = History(history.items[:start], baskets=history.baskets[:start])
        # Without what follows, the favourites line of the window is made of the time before it.
        header = prompt._header(before.items)
        np.testing.assert_array_equal(row.tokens[: len(header)], header)
        supervised = row.levels != NO_TARGET
        assert supervised.sum() == (end - start) * recommender.index.levels


def test_windows_cover_every_event_once_and_few_windows_the_newest(recommender):
    sequences = small_dataset(30).sequences
    prompt = prompt_of(recommender, history=4)
    covered = {user: set() for user in range(30)}
    for user, start, end in HistoryRows(prompt, sequences, seed=0).spans:
        covered[user] |= set(range(start, end))
    for user, events in covered.items():
        # A first window of one event has nothing before it to learn from.
        assert events >= set(range(1, int(sequences.lengths[user])))
    newest = HistoryRows(prompt, sequences, seed=0, windows=1).spans
    assert all(end == sequences.lengths[user] for user, _, end in newest)


def test_the_order_within_a_basket_changes_with_the_epoch_but_not_the_baskets(recommender):
    history = small_dataset(30, baskets=True).sequences.take([3])
    rows = HistoryRows(prompt_of(recommender), history, seed=0)
    epochs = {rows.row(0, epoch).tokens.tobytes() for epoch in range(12)}
    assert len(epochs) > 1
    assert rows.row(0, 5).tokens.tobytes() == rows.row(0, 5).tokens.tobytes()
    assert len({np.sort(rows.row(0, epoch).tokens).tobytes() for epoch in range(12)}) == 1


@pytest.mark.parametrize(
    ("items", "count", "expected"),
    [([1, 2, 2, 3], 2, [2, 3]), ([5, 4], 2, [4, 5]), ([1], 0, []), ([], 3, [])],
)
def test_favourites_are_the_most_frequent_the_later_first(items, count, expected):
    assert favourite_items(np.array(items, np.int32), count).tolist() == expected


@pytest.mark.parametrize("options", [{"history": 0}, {"favourites": -1}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ConfigError):
        PromptConfig(**options)
