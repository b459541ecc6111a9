import numpy as np
import pytest
import torch

from genrec.data.allowed import AllowedItems
from genrec.data.sequences import Sequences
from genrec.decoding.beam import last_states
from genrec.decoding.options import DecodeConfig
from genrec.recommenders.base import NO_ITEM
from genrec.recommenders.history_prompt import HistoryRows
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.training.packing import IN_VIEW, collate_packed, packed_mask
from tests.contracts.recommender import ITEMS, shop
from tests.small import small_dataset, small_index
from tests.small_hybrid import hybrid_of


def _everything(recommender):
    return AllowedItems.of(Sequences.of([[0]]), len(recommender.catalog))


def states_of(backbone, batch):
    """The state at every place of a batch's only row, shape (tokens, width)."""
    with torch.no_grad():
        return backbone.hidden_states(
            inputs_embeds=backbone.embed(batch["input_ids"]),
            attention_mask=packed_mask(batch["segments"], torch.float32, batch["chains"]),
            position_ids=batch["position_ids"],
            use_cache=False,
        ).last_hidden_state[0]


@pytest.mark.parametrize(("baskets", "spelled"), [(False, 1.0), (True, 1.0), (True, 0.4)])
def test_a_state_in_a_training_row_is_that_after_the_prompt(tmp_path, baskets, spelled):
    dataset = shop(baskets=baskets)
    vectors = np.random.default_rng(0).normal(size=(ITEMS, 6)).astype(np.float32)
    index = SemanticIdTokenizer(levels=3, codebook_size=4).fit(dataset.catalog, vectors)
    recommender = hybrid_of(dataset, index, tmp_path, steps=2, history=20, spelled=spelled)
    backbone = recommender.backbone.eval()
    history = max(dataset.sequences, key=len)
    source = HistoryRows(recommender.prompt, Sequences.of([history]), seed=0)
    row = source.row(0, 0)
    batch = collate_packed([[row]])
    states = states_of(backbone, batch)
    # What later items see of the row is the prompt, if the order within baskets is the same.
    seen = row.tokens[row.items.chains == IN_VIEW]
    after = last_states(backbone, [seen.tolist()])[0]
    assert torch.allclose(states[-1], after, atol=1e-5)
    place = int(np.flatnonzero(row.items.held >= 0)[2])
    before = row.tokens[: place + 1][row.items.chains[: place + 1] == IN_VIEW]
    assert torch.allclose(states[place], last_states(backbone, [before.tolist()])[0], atol=1e-5)
    if not baskets:
        assert seen.tolist() == recommender.prompt.tokens(history)


def test_items_that_are_not_spelled_out_teach_their_first_code_and_themselves(tmp_path):
    recommender = hybrid_of(small_dataset(), small_index(), tmp_path, steps=1, spelled=0.5)
    prompt, levels = recommender.prompt, recommender.index.levels
    rows = HistoryRows(prompt, small_dataset().sequences, seed=0)
    written = set()
    for epoch in range(8):
        row = rows.row(0, epoch)
        assert len(row.tokens) == rows.token_counts[0]
        ends = np.flatnonzero(row.items.held >= 0)
        items = row.items.held[ends]
        assert row.tokens[ends].tolist() == prompt.item_blocks[items, 0].tolist()
        codes = recommender.index.codes[items]
        starts = np.flatnonzero(row.levels == 0)
        assert row.codes[starts].tolist() == codes[:, 0].tolist()
        assert row.items.begins[starts].tolist() == items.tolist()
        whole = ends - starts == levels - 1
        assert whole.sum() == round(0.5 * len(items))
        assert row.codes[ends[whole]].tolist() == codes[whole, -1].tolist()
        written |= set(np.flatnonzero(whole).tolist())
    assert written == set(range(len(items)))


def test_the_codes_of_a_training_row_have_the_probability_that_beams_give_them(tmp_path):
    recommender = hybrid_of(small_dataset(), small_index(), tmp_path, steps=2)
    backbone, levels = recommender.backbone.eval(), recommender.index.levels
    history = small_dataset().sequences[0]
    row = HistoryRows(recommender.prompt, Sequences.of([history]), seed=0).row(0, 0)
    batch = collate_packed([[row]])
    states = states_of(backbone, batch)
    with torch.no_grad():
        wanted = (batch["target_levels"][0] >= 0).nonzero()[-levels:, 0].tolist()
        gains = [
            backbone.level_logits(states[place], level).log_softmax(-1)[
                batch["target_codes"][0, place]
            ]
            for level, place in enumerate(wanted)
        ]
    before = Sequences.of([history.items[:-1].tolist()])
    recommender.decode_by(DecodeConfig(exact=True))
    found = recommender._generated(
        before,
        [recommender.prompt.tokens(before[0])],
        len(recommender.catalog),
        _everything(recommender),
    ).ranking
    place = int(np.flatnonzero(found.items[0] == history.items[-1])[0])
    assert found.scores[0, place] == pytest.approx(float(sum(gains)), abs=1e-4)


def test_a_step_of_other_tasks_alone_is_learned_by_a_hybrid_too(tmp_path):
    options = {"steps": 2, "row_tokens": 128, "log_every": 1, "next_item": 0.0, "mixed_history": 1}
    trained = hybrid_of(small_dataset(20), small_index(), tmp_path, **options)
    assert np.isfinite(trained.fitted.losses).all()
    assert set(trained.learnt.prompts) == {"mixed_history"}
    assert (trained.rank(small_dataset(3).sequences, 4).items != NO_ITEM).all()
