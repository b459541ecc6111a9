from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest
import torch

from genrec.data.assemble import assemble
from genrec.data.dataset import Dataset
from genrec.data.sequences import History, Sequences
from genrec.decoding.beam import beam_search
from genrec.decoding.options import DecodeConfig
from genrec.errors import ArtefactError, ConfigError
from genrec.llm.backbone import Backbone
from genrec.llm.options import ItemTableConfig
from genrec.recommenders.base import NO_ITEM, Ranking, top_n
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.habit import own_counts
from genrec.recommenders.hybrid import Generated, Hybrid, Signals, _spread, log_floored
from genrec.recommenders.options import GenerativeConfig, HybridConfig
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from tests.contracts.recommender import ITEMS, RecommenderContract, shop
from tests.small import next_item, small_dataset, small_index, small_recommender
from tests.small_hybrid import hybrid_of, vectors_of


class Hybrids(RecommenderContract):
    baskets = False
    table = ItemTableConfig()

    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls, tmp_path_factory):
        dataset = shop(baskets=cls.baskets)
        vectors = np.random.default_rng(0).normal(size=(ITEMS, 6)).astype(np.float32)
        index = SemanticIdTokenizer(levels=2, codebook_size=8).fit(dataset.catalog, vectors)
        folder = tmp_path_factory.mktemp("fit")
        return hybrid_of(
            dataset,
            index,
            folder,
            hybrid=HybridConfig(table=cls.table, habit=2.0),
            steps=5,
            batch_size=2,
            row_tokens=64,
            favourites=2,
            history=4,
        )


class TestHybrid(Hybrids):
    pass


class TestHybridWithBaskets(Hybrids):
    baskets = True


class TestHybridOfCodesAndCounts(Hybrids):
    baskets = True
    table = None


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
    trained.hybrid.weights = 0.3, 0.1, 2.0, 0.5
    trained.save(tmp_path / "model")
    again = GenerativeRecommender.load(tmp_path / "model", trained.catalog)
    histories = small_dataset(20).sequences
    assert again.hybrid.weights == (0.3, 0.1, 2.0, 0.5)
    assert again.hybrid.told == "dense + 0.3 codes + 0.1 transitions + 0.5 own counts, new items +2"
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


def test_another_default_type_changes_nothing(trained):
    """Loading a model in half precision changes torch's default for every thread, for a while."""
    histories = small_dataset(9, seed=4).sequences
    before = trained.rank(histories, 5)
    torch.set_default_dtype(torch.bfloat16)
    try:
        meanwhile = trained.rank(histories, 5)
    finally:
        torch.set_default_dtype(torch.float32)
    assert np.array_equal(meanwhile.items, before.items)
    assert np.array_equal(meanwhile.scores, before.scores)


def test_what_runs_the_llm_may_keep_its_states_to_itself(trained):
    histories = small_dataset(70, seed=4).sequences
    told, search = trained.rank(histories, 5), trained.search
    try:
        trained.search = lambda *given, **options: replace(search(*given, **options), states=None)
        untold = trained.rank(histories, 5)
    finally:
        trained.search = search
    assert np.array_equal(untold.items, told.items)
    np.testing.assert_allclose(untold.scores, told.scores, atol=1e-4)


def test_weights_are_chosen_that_raise_the_figure_of_validation_cases(trained):
    training, cases = small_dataset(80, seed=4).split("last-out")
    hybrid = trained.hybrid
    real = hybrid.signals
    noise = torch.randn(80, 60, generator=torch.Generator().manual_seed(0))

    def spoilt(*args):
        found = real(*args)
        return replace(found, dense=noise[: len(found.dense)], follow=-found.follow)

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

    def counted(_table, histories, _generated):
        looked.append(len(histories))
        nothing = torch.zeros(len(histories), 60)
        follow = None if hybrid.transitions is None else nothing
        return Signals(nothing, nothing, follow, nothing, torch.zeros(60, dtype=torch.bool))

    try:
        hybrid.signals = counted
        for kept in (transitions, None):
            hybrid.transitions = kept
            trained.tune(cases)
    finally:
        del hybrid.signals
        hybrid.weights, hybrid.transitions = before, transitions
    assert len(cases) > 110
    assert set(looked) == {110}


def test_new_items_get_as_much_as_the_figure_can_bear(trained):
    _, cases = small_dataset(80, seed=4).split("last-out")
    hybrid, real = trained.hybrid, trained.hybrid.signals
    wanted = torch.from_numpy(cases.targets.items.astype(np.int64))
    new = torch.arange(60) < 2
    asked = iter([])

    def known(_table, histories, _generated):
        nonlocal asked
        left = list(asked) or list(range(len(cases)))
        rows, asked = left[: len(histories)], iter(left[len(histories) :])
        # Every target is first, 2.5 ahead of all others.
        dense = torch.zeros(len(rows), 60)
        dense[torch.arange(len(rows)), wanted[rows]] = 2.5
        nothing = torch.zeros_like(dense)
        return Signals(dense, nothing, nothing, nothing, new)

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
    assert free == (1.0, (0.0, 0.0, 0.0, 0.0))
    # At 3 the new items would stand above all targets, which costs far more than a hundredth.
    assert little == (1.0, (0.0, 0.0, 2.0, 0.0))


def test_own_counts_grow_with_the_logarithm_of_how_often():
    histories = Sequences.of([[2, 0, 2, 2], []])
    found = np.exp(own_counts(histories, 3, 1.0))
    assert found == pytest.approx(np.array([[2, 1, 4], [1, 1, 1]]))


def test_own_counts_fade_from_basket_to_basket():
    alone = np.expm1(own_counts(Sequences.of([[2, 0, 2]]), 3, 0.5))
    assert alone == pytest.approx(np.array([[0.5, 0, 1.25]]))
    history = History(np.array([2, 0, 2], np.int32), baskets=np.array([4, 9, 9]))
    together = np.expm1(own_counts(Sequences.of([history]), 3, 0.5))
    assert together == pytest.approx(np.array([[1, 0, 1.5]]))
    with pytest.raises(ConfigError, match="habit_decay is 0"):
        HybridConfig(habit_decay=0)


@pytest.mark.parametrize("again", [True, False])
def test_own_counts_weigh_where_people_choose_the_same_again(trained, again):
    drawn = np.random.default_rng(1)
    rows = []
    for _ in range(80):
        favourite, *others = drawn.permutation(60)[:5].tolist()
        last = favourite if again else others[3]
        # One was looked at twice, others once; without them, chance alone would decide.
        rows.append([favourite, others[0], favourite, others[1], others[2], last])
    _, cases = replace_sequences(small_dataset(80), Sequences.of(rows)).split("last-out")
    hybrid, real, before = trained.hybrid, trained.hybrid.signals, trained.hybrid.weights
    noise = torch.rand(80, 60, generator=torch.Generator().manual_seed(0))

    def nothing_else(*args):
        found = real(*args)
        still = torch.zeros_like(found.dense)
        return replace(found, dense=noise[: len(still)], codes=still, follow=still)

    try:
        hybrid.signals = nothing_else
        reached, habit = trained.tune(cases), hybrid.habit
        first = trained.rank(cases.histories, 1).items[:, 0]
    finally:
        del hybrid.signals
        hybrid.weights = before
    assert (habit > 0) == again
    assert (reached == 1.0) == again
    assert (first.tolist() == [row[0] for row in rows]) == again


def test_weights_of_earlier_versions_are_read():
    hybrid = Hybrid(HybridConfig(transitions=False, habit=4.0), None, window=5, items=9)
    assert hybrid.weights == (0.2, 0.4, 0.0, 4.0)
    hybrid.weights = (0.3, 0.1)
    assert hybrid.weights == (0.3, 0.1, 0.0, 0.0)
    hybrid.weights = (0.3, 0.1, 2.0)
    assert hybrid.weights == (0.3, 0.1, 2.0, 0.0)


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


def test_without_a_table_codes_and_counts_are_weighed_alone(tmp_path):
    training, cases = small_dataset(60, seed=4).split("last-out")
    config = HybridConfig(table=None, habit=0.5)
    both = GenerativeRecommender.train(
        "tiny",
        training,
        small_index(),
        folder=tmp_path / "fit",
        config=GenerativeConfig(hybrid=config),
        adapt="full",
        steps=3,
        batch_size=4,
        row_tokens=256,
    )
    assert both.backbone.items is None
    assert both.hybrid.told == "codes + 0.4 transitions + 0.5 own counts"
    histories = cases.histories
    hybrid, both.hybrid = both.hybrid, None
    generated = Generated(both.rank(histories, both.beams), None)
    both.hybrid = hybrid
    signals = hybrid.signals(None, histories, generated)
    assert not signals.dense.any()
    best = top_n(signals.fused(1.0, 0.4, 0.0, 0.5).numpy(), 5)
    assert np.array_equal(both.rank(histories, 5).items, best.items)
    both.tune(cases)
    assert both.hybrid.generate == 1.0
    both.save(tmp_path / "model")
    again = GenerativeRecommender.load(tmp_path / "model", training.catalog)
    assert again.hybrid.told == both.hybrid.told
    assert np.array_equal(both.rank(histories, 5).items, again.rank(histories, 5).items)
    # As vLLM does it: the weights are elsewhere, and only the search knows them.
    both.backbone.export_merged(tmp_path / "merged")
    elsewhere = GenerativeRecommender.load(
        tmp_path / "model",
        training.catalog,
        backbone=Backbone.outline(tmp_path / "merged")[0],
        search=partial(beam_search, both.backbone),
    )
    assert np.array_equal(both.rank(histories, 5).items, elsewhere.rank(histories, 5).items)


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
    with pytest.raises(ConfigError, match="generate is -1"):
        HybridConfig(generate=-1)


def test_exact_scores_are_weighed_like_those_of_as_many_beams_as_items(tmp_path):
    hybrid = hybrid_of(small_dataset(), small_index(), tmp_path, steps=30)
    cases = small_dataset().split("last-out")[1]
    found = {}
    for how in (DecodeConfig(beams=len(hybrid.catalog)), DecodeConfig(exact=True)):
        hybrid.decode_by(how)
        figure = hybrid.tune(cases)
        ranking = hybrid.rank(cases.histories.take(np.arange(20)), 5)
        found[how.exact] = figure, hybrid.hybrid.weights, ranking
    assert found[True][:2] == found[False][:2]
    assert found[True][1][0] > 0, "the codes take part"
    np.testing.assert_array_equal(found[True][2].items, found[False][2].items)
    np.testing.assert_allclose(found[True][2].scores, found[False][2].scores, atol=1e-4)


def test_one_signal_alone_has_nothing_to_weigh(tmp_path):
    plain = small_recommender(tmp_path)
    with pytest.raises(ConfigError, match="one signal"):
        plain.tune(small_dataset().split("last-out")[1])


def test_a_fused_score_is_the_weighted_sum():
    signals = Signals(
        torch.tensor([[1.0, 1.0]]),
        torch.tensor([[2.0, 2.0]]),
        torch.tensor([[4.0, 4.0]]),
        torch.tensor([[3.0, 0.0]]),
        torch.tensor([False, True]),
    )
    assert signals.fused(0.5, 0.25).tolist() == [[3.0, 3.0]]
    assert signals.fused(0.5, 0.25, 1.5).tolist() == [[3.0, 4.5]]
    assert signals.fused(0.5, 0.25, 1.5, 2.0).tolist() == [[9.0, 4.5]]
    assert signals.dense.tolist() == [[1.0, 1.0]]
    without = Hybrid(HybridConfig(transitions=False), None, window=5, items=2)
    assert without.transitions is None
