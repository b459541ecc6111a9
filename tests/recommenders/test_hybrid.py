from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from genrec.data.allowed import AllowedItems
from genrec.data.assemble import assemble
from genrec.data.dataset import Dataset
from genrec.data.sequences import Sequences
from genrec.decoding.beam import last_states
from genrec.decoding.options import DecodeConfig
from genrec.encoders.base import ItemVectors
from genrec.errors import ArtefactError, ConfigError
from genrec.recommenders.base import NO_ITEM, Ranking
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.history_prompt import HistoryRows
from genrec.recommenders.hybrid import Hybrid, Signals, _spread, log_floored
from genrec.recommenders.options import GenerativeConfig, HybridConfig
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.training.packing import IN_VIEW, collate_packed, packed_mask
from tests.contracts.recommender import ITEMS, RecommenderContract, shop
from tests.small import next_item, small_dataset, small_index, small_recommender


def vectors_of(dataset: Dataset, seed: int = 0) -> ItemVectors:
    items = len(dataset.catalog)
    vectors = np.random.default_rng(seed).normal(size=(items, 6)).astype(np.float32)
    return ItemVectors(tuple(dataset.catalog.ids), vectors, np.ones(items, bool), "drawn")


def hybrid_of(dataset, index, folder, *, hybrid=None, **options) -> GenerativeRecommender:
    chosen = {"adapt": "full", "batch_size": 4, "row_tokens": 256, "learning_rate": 3e-3, **options}
    return GenerativeRecommender.train(
        "tiny",
        dataset,
        index,
        folder=folder,
        config=GenerativeConfig(hybrid=hybrid or HybridConfig()),
        vectors=vectors_of(dataset),
        **chosen,
    )


class Hybrids(RecommenderContract):
    baskets = False

    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls, tmp_path_factory):
        dataset = shop(baskets=cls.baskets)
        vectors = np.random.default_rng(0).normal(size=(ITEMS, 6)).astype(np.float32)
        index = SemanticIdTokenizer(levels=2, codebook_size=8).fit(dataset.catalog, vectors)
        folder = tmp_path_factory.mktemp("fit")
        return hybrid_of(
            dataset, index, folder, steps=5, batch_size=2, row_tokens=64, favourites=2, history=4
        )


class TestHybrid(Hybrids):
    pass


class TestHybridWithBaskets(Hybrids):
    baskets = True


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> GenerativeRecommender:
    folder = tmp_path_factory.mktemp("fit")
    return hybrid_of(small_dataset(), small_index(), folder, steps=150, warmup_steps=10)


def ranked_by(recommender: GenerativeRecommender, histories, **weights) -> np.ndarray:
    hybrid = recommender.hybrid
    before = hybrid.generate, hybrid.follow
    try:
        hybrid.generate, hybrid.follow = weights.get("generate", 0.0), weights.get("follow", 0.0)
        return recommender.rank(histories, 5).items
    finally:
        hybrid.generate, hybrid.follow = before


def test_a_rule_of_the_histories_is_learned_by_both_heads(trained):
    histories = small_dataset(50, seed=9).sequences.last(2)
    expected = [next_item(int(history.items[-1])) for history in histories]
    assert np.mean(ranked_by(trained, histories)[:, 0] == expected) > 0.9
    assert np.mean(ranked_by(trained, histories, generate=100.0)[:, 0] == expected) > 0.9


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
    with torch.no_grad():
        states = backbone.hidden_states(
            inputs_embeds=backbone.embed(batch["input_ids"]),
            attention_mask=packed_mask(batch["segments"], torch.float32, batch["chains"]),
            position_ids=batch["position_ids"],
            use_cache=False,
        ).last_hidden_state[0]
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
    with torch.no_grad():
        states = backbone.hidden_states(
            inputs_embeds=backbone.embed(batch["input_ids"]),
            attention_mask=packed_mask(batch["segments"], torch.float32, batch["chains"]),
            position_ids=batch["position_ids"],
            use_cache=False,
        ).last_hidden_state[0]
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
    )
    place = int(np.flatnonzero(found.items[0] == history.items[-1])[0])
    assert found.scores[0, place] == pytest.approx(float(sum(gains)), abs=1e-4)


def _everything(recommender):
    return AllowedItems.of(Sequences.of([[0]]), len(recommender.catalog))


def test_items_that_were_never_chosen_are_ranked_by_their_content_alone(tmp_path):
    dataset = small_dataset()
    recommender = hybrid_of(dataset, small_index(), tmp_path, steps=2)
    table = recommender.backbone.items
    with torch.no_grad():
        table.trained[7] = False
        before = table.vectors()[7]
        table.own.weight[7] += 5.0
        assert torch.equal(table.vectors()[7], before)
        table.own.weight[8] += 5.0
        assert not torch.allclose(table.vectors()[8], table.content(table.features[8]))


def test_an_item_that_was_never_chosen_follows_like_the_rarest_that_was():
    scores = np.array([[0.5, 0.0, 0.1, 0.4], [0.0, 0.0, 0.0, 1.0]], np.float32)
    found = np.exp(log_floored(scores))
    assert found == pytest.approx(np.array([[0.5, 0.1, 0.1, 0.4], [1, 1, 1, 1]]))


def test_what_is_saved_ranks_as_before(trained, tmp_path):
    trained.hybrid.weights = 0.3, 0.1, 2.0
    trained.save(tmp_path / "model")
    again = GenerativeRecommender.load(tmp_path / "model", trained.catalog)
    histories = small_dataset(20).sequences
    assert again.hybrid.weights == (0.3, 0.1, 2.0)
    assert again.hybrid.told == "dense + 0.3 codes + 0.1 transitions, new items +2"
    first, second = trained.rank(histories, 10), again.rank(histories, 10)
    assert np.array_equal(first.items, second.items)
    assert np.allclose(first.scores, second.scores, atol=1e-5)


def test_a_damaged_table_is_refused(trained, tmp_path):
    trained.save(tmp_path / "model")
    path = tmp_path / "model" / "item_table.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtefactError):
        GenerativeRecommender.load(tmp_path / "model", trained.catalog)


def test_it_cannot_be_exported_to_programs_that_read_tokens_only(trained, tmp_path):
    with pytest.raises(ConfigError, match="--backend transformers"):
        trained.backbone.export_merged(tmp_path / "merged")


def test_weights_are_chosen_that_raise_the_figure_of_validation_cases(trained):
    training, cases = small_dataset(80, seed=4).split("last-out")
    hybrid = trained.hybrid
    real = hybrid.signals
    noise = torch.randn(80, 60, generator=torch.Generator().manual_seed(0))

    def spoilt(*args):
        found = real(*args)
        return Signals(noise[: len(found.dense)], found.codes, -found.follow, found.new)

    try:
        hybrid.signals = spoilt
        reached = trained.tune(cases)
    finally:
        del hybrid.signals
    # Only the codes tell anything here.
    assert hybrid.generate > 0
    assert hybrid.follow == 0
    assert reached > 0.5
    assert len(training)


def test_large_catalogues_are_weighed_on_fewer_cases_with_and_without_transitions(
    trained, monkeypatch
):
    _, cases = small_dataset(130, seed=4).split("last-out")
    hybrid = trained.hybrid
    before, transitions = hybrid.weights, hybrid.transitions
    monkeypatch.setattr("genrec.recommenders.hybrid.TUNING_CELLS", 60 * 110)
    looked: list[int] = []

    def counted(_backbone, _prompts, histories, _generated):
        looked.append(len(histories))
        nothing = torch.zeros(len(histories), 60)
        follow = None if hybrid.transitions is None else nothing
        return Signals(nothing, nothing, follow, torch.zeros(60, dtype=torch.bool))

    try:
        hybrid.signals = counted
        for kept in (transitions, None):
            hybrid.transitions = kept
            trained.tune(cases)
    finally:
        del hybrid.signals
        hybrid.weights, hybrid.transitions = before, transitions
    assert len(cases) > 110
    assert looked == [110, 110]


def test_new_items_get_as_much_as_the_figure_can_bear(trained):
    _, cases = small_dataset(80, seed=4).split("last-out")
    hybrid, real = trained.hybrid, trained.hybrid.signals
    wanted = torch.from_numpy(cases.targets.items.astype(np.int64))
    new = torch.arange(60) < 2
    asked = iter([])

    def known(_backbone, _prompts, histories, _generated):
        nonlocal asked
        left = list(asked) or list(range(len(cases)))
        rows, asked = left[: len(histories)], iter(left[len(histories) :])
        # Every target is first, 2.5 ahead of all others.
        dense = torch.zeros(len(rows), 60)
        dense[torch.arange(len(rows)), wanted[rows]] = 2.5
        return Signals(dense, torch.zeros_like(dense), torch.zeros_like(dense), new)

    trained_on = trained.backbone.items.trained
    before, config = hybrid.weights, hybrid.config
    try:
        trained_on[:2], hybrid.signals = False, known
        hybrid.config = replace(config, new_item_cost=0.0)
        free = trained.tune(cases), hybrid.weights
        hybrid.config = replace(config, new_item_cost=0.01)
        asked = iter([])
        little = trained.tune(cases), hybrid.weights
    finally:
        del hybrid.signals
        trained_on[:2], hybrid.weights, hybrid.config = True, before, config
    assert real is not known
    assert free == (1.0, (0.0, 0.0, 0.0))
    # At 3 the new items would stand above all targets, which costs far more than a hundredth.
    assert little == (1.0, (0.0, 0.0, 2.0))


def test_what_the_beams_lost_counts_as_the_worst_that_they_kept():
    kept = Ranking(np.array([[2, 0, NO_ITEM]]), np.array([[-1.0, -3.0, -np.inf]], np.float32))
    assert _spread(kept, 4).tolist() == [[-3.0, -3.0, -1.0, -3.0]]
    nothing = Ranking(np.array([[NO_ITEM]]), np.array([[-np.inf]], np.float32))
    assert _spread(nothing, 2).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("again", [True, False])
def test_whether_people_choose_the_same_again_is_learned(tmp_path, again):
    dataset, index = small_dataset(60), small_index()
    drawn = np.random.default_rng(0)
    # Everybody chooses one item for ever, or never the same.
    rows = [
        np.full(6, drawn.integers(60)) if again else drawn.permutation(60)[:6] for _ in range(60)
    ]
    dataset = replace_sequences(dataset, Sequences.of([row.tolist() for row in rows]))
    config = HybridConfig(transitions=False)
    recommender = hybrid_of(dataset, index, tmp_path, hybrid=config, steps=60, history=10)
    assert (recommender.backbone.items.repeat.item() > 0) == again


def replace_sequences(dataset: Dataset, rows: Sequences) -> Dataset:
    ids = dataset.catalog.ids
    users = [f"u{number}" for number in range(len(rows))]
    events = pl.DataFrame(
        {
            "user_id": np.repeat(users, rows.lengths),
            "item_id": [ids[item] for item in rows.items],
            "time": np.concatenate([np.arange(n) for n in rows.lengths]),
        }
    )
    return assemble(dataset.catalog, events, name="again")


def test_a_hybrid_without_vectors_or_with_those_of_others_is_refused(tmp_path):
    dataset = small_dataset()
    options = {"adapt": "full", "steps": 1, "config": GenerativeConfig(hybrid=HybridConfig())}
    with pytest.raises(ConfigError, match="vectors"):
        GenerativeRecommender.train("tiny", dataset, small_index(), folder=tmp_path, **options)
    other = replace(vectors_of(dataset), item_ids=tuple(reversed(dataset.catalog.ids)))
    with pytest.raises(ConfigError, match="order differs"):
        GenerativeRecommender.train(
            "tiny", dataset, small_index(), folder=tmp_path, vectors=other, **options
        )
    with pytest.raises(ConfigError, match="below 0"):
        HybridConfig(generate=-1)


def test_one_signal_alone_has_nothing_to_weigh(tmp_path):
    plain = small_recommender(tmp_path)
    with pytest.raises(ConfigError, match="one signal"):
        plain.tune(small_dataset().split("last-out")[1])


def test_a_fused_score_is_the_weighted_sum():
    signals = Signals(
        torch.tensor([[1.0, 1.0]]),
        torch.tensor([[2.0, 2.0]]),
        torch.tensor([[4.0, 4.0]]),
        torch.tensor([False, True]),
    )
    assert signals.fused(0.5, 0.25).tolist() == [[3.0, 3.0]]
    assert signals.fused(0.5, 0.25, 1.5).tolist() == [[3.0, 4.5]]
    without = Hybrid(HybridConfig(transitions=False), None, window=5)
    assert without.transitions is None


def test_a_step_of_other_tasks_alone_is_learned_by_a_hybrid_too(tmp_path):
    options = {"steps": 2, "row_tokens": 128, "log_every": 1, "next_item": 0.0, "mixed_history": 1}
    trained = hybrid_of(small_dataset(20), small_index(), tmp_path, **options)
    assert np.isfinite(trained.fitted.losses).all()
    assert set(trained.learnt.prompts) == {"mixed_history"}
    assert (trained.rank(small_dataset(3).sequences, 4).items != NO_ITEM).all()
