import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decoding.beam import beam_search
from genrec.decoding.folded import FoldedTrie
from genrec.errors import ConfigError
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.history_prompt import HistoryRows
from genrec.training.options import SftConfig
from genrec.training.packing import NO_TARGET, PackedRows, TokenRow, collate_packed, packed_mask
from genrec.training.sft import sft_loss
from tests.small import ITEMS, small_dataset, small_recommender


class Counted:
    def __init__(self, counts):
        self.token_counts = np.array(counts, np.int64)

    def row(self, number, epoch):
        count = self.token_counts[number]
        return TokenRow(*(np.full(count, value, np.int64) for value in (number, 0, 0)))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=80), st.integers(0, 5))
def test_every_row_is_packed_once_and_no_pack_is_too_long(counts, seed):
    packed = PackedRows(Counted(counts), row_tokens=20, seed=seed)
    assert sorted(number for pack in packed.packs for number in pack) == list(range(len(counts)))
    assert all(sum(counts[number] for number in pack) <= 20 for pack in packed.packs)


def test_a_row_that_does_not_fit_is_an_error_with_both_numbers():
    with pytest.raises(ConfigError, match="21 tokens but row_tokens is 20"):
        PackedRows(Counted([3, 21]), row_tokens=20, seed=0)


def test_a_token_sees_its_own_row_up_to_itself_and_nothing_else():
    mask = packed_mask(torch.tensor([[0, 0, 1, 1, -1]]), torch.float32)[0, 0]
    sees = [[column for column in range(5) if mask[row, column] == 0] for row in range(5)]
    assert sees == [[0], [0, 1], [2], [2, 3], [4]]


def test_targets_are_those_of_the_next_token_of_the_same_row():
    rows = [
        TokenRow(np.array([9, 1, 2]), np.array([NO_TARGET, 0, 1]), np.array([0, 5, 6])),
        TokenRow(np.array([8, 3]), np.array([NO_TARGET, 0]), np.array([0, 7])),
    ]
    batch = collate_packed([rows])
    assert batch["target_levels"].tolist() == [[0, 1, NO_TARGET, 0, NO_TARGET]]
    assert batch["target_codes"].tolist() == [[5, 6, 0, 7, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1]]


@pytest.fixture(scope="module")
def recommender(tmp_path_factory) -> GenerativeRecommender:
    return small_recommender(tmp_path_factory.mktemp("fit"), steps=2)


def losses(recommender, packs) -> float:
    with torch.no_grad():
        return float(sft_loss(recommender.backbone, collate_packed(packs), SftConfig()))


def test_the_packed_loss_equals_the_padded_loss(recommender):
    source = HistoryRows(recommender.prompt, small_dataset(20).sequences, seed=0)
    rows = [source.row(number, 0) for number in range(len(source.spans))]
    packed = PackedRows(source, row_tokens=128, seed=0)
    assert len(packed) < len(rows)
    together = losses(recommender, [packed[n] for n in range(len(packed))])
    padded = losses(recommender, [[row] for row in rows])
    assert together == pytest.approx(padded, abs=1e-5)


def test_one_row_of_many_targets_has_the_loss_of_its_sliding_windows(recommender):
    history = small_dataset(20).sequences[3]
    source = HistoryRows(recommender.prompt, small_dataset(20).sequences.take([3]), seed=0)
    whole = source.row(0, 0)
    levels, header = recommender.index.levels, len(source.headers[0])
    windows = []
    for end in range(1, len(history) + 1):
        cut = slice(0, header + end * levels)
        supervised = np.full(cut.stop, NO_TARGET)
        supervised[-levels:] = whole.levels[cut][-levels:]
        windows.append([TokenRow(whole.tokens[cut], supervised, whole.codes[cut])])
    assert losses(recommender, windows) == pytest.approx(losses(recommender, [[whole]]), abs=1e-5)


@pytest.mark.parametrize("normalise", ["level", "legal"])
def test_the_loss_of_an_item_is_what_decoding_says_of_it(recommender, normalise):
    config = SftConfig(normalise=normalise)
    trie = FoldedTrie(recommender.trie.trie, normalise=normalise)
    history = small_dataset(20).sequences[3]
    whole = HistoryRows(recommender.prompt, small_dataset(20).sequences.take([3]), seed=0).row(0, 0)
    levels = recommender.index.levels
    supervised = np.full(len(whole.tokens), NO_TARGET)
    supervised[-levels:] = whole.levels[-levels:]
    row = TokenRow(whole.tokens, supervised, whole.codes)
    backbone = recommender.backbone.eval()
    with torch.no_grad():
        loss = float(sft_loss(backbone, collate_packed([[row]]), config, trie.trie))
    found = beam_search(backbone, [whole.tokens[:-levels].tolist()], trie, beams=ITEMS)
    place = found.items[0].tolist().index(int(history.items[-1]))
    assert -loss * levels == pytest.approx(float(found.scores[0, place]), abs=1e-4)
    assert (float(found.scores.exp().sum()) == pytest.approx(1, abs=1e-4)) == (normalise == "legal")


def test_smoothing_spreads_over_legal_codes_alone(recommender):
    trie = recommender.trie.trie
    rows = HistoryRows(recommender.prompt, small_dataset(20).sequences, seed=0)
    batch = collate_packed([[rows.row(0, 0)], [rows.row(1, 0)]])
    levels, logits = recommender.index.levels, []

    class Seen:
        """Keeps the logits, so that the loss can be written out code by code."""

        items, training = None, False
        codebook_sizes = recommender.backbone.codebook_sizes

        def __getattr__(self, name):
            return getattr(recommender.backbone, name)

        def level_logits(self, hidden, level, head=None):
            logits.append(recommender.backbone.level_logits(hidden, level, head))
            return logits[-1]

    config = SftConfig(normalise="legal", label_smoothing=0.2)
    with torch.no_grad():
        loss = float(sft_loss(Seen(), batch, config, trie))
    here = batch["target_levels"] == 0
    wanted = [batch["target_codes"][batch["target_levels"] == level] for level in range(levels)]
    expected = 0.0
    codes = torch.from_numpy(recommender.index.codes).long()
    for number in range(int(here.sum())):
        own = [int(column[number]) for column in wanted]
        for level in range(levels):
            same = (codes[:, :level] == torch.tensor(own[:level])).all(dim=1)
            legal = codes[same, level].unique().tolist()
            chances = logits[level][number, legal].log_softmax(0)
            expected -= 0.8 * float(chances[legal.index(own[level])]) + 0.2 * float(chances.mean())
    assert loss == pytest.approx(expected / (levels * int(here.sum())), abs=1e-5)
