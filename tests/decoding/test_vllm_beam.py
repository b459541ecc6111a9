import numpy as np
import pytest
import torch

from genrec.data.allowed import AllowedItems
from genrec.data.sequences import Sequences
from genrec.decoding.beam import beam_search
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie
from genrec.decoding.vllm_beam import vllm_beam_search
from tests.small import ITEMS, small_dataset, small_index, small_recommender
from tests.vllm_case import ENGINE, PROMPTS, tiny_backbone


class InTransformers:
    """An engine without vLLM: every sequence in a forward pass of its own."""

    def __init__(self, backbone):
        self.backbone = backbone
        self.token_ids, self.codebook_sizes = backbone.token_ids, backbone.codebook_sizes
        self.calls = []

    def level_log_probabilities(self, sequences, level):
        self.calls.append([len(tokens) for tokens in sequences])
        states = [
            self.backbone.hidden_states(input_ids=torch.tensor([tokens])).last_hidden_state[0, -1]
            for tokens in sequences
        ]
        return torch.log_softmax(self.backbone.level_logits(torch.stack(states), level), dim=-1)


class SearchContract:
    """What a search owes, whatever engine is under it: the results of ``beam_search``."""

    @pytest.fixture(scope="class")
    @classmethod
    def backbone(cls):
        return tiny_backbone()

    @pytest.fixture(scope="class")
    @classmethod
    def trie(cls):
        return Trie.build(small_index().codes)

    def compare(self, backbone, engine, trie, prompts=PROMPTS, **options):
        expected = beam_search(backbone, prompts, trie, **options)
        found = vllm_beam_search(engine, prompts, trie, **options)
        assert found.items.tolist() == expected.items.tolist()
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
        return found

    @pytest.mark.parametrize("beams", [1, 5, 20])
    def test_items_and_scores_are_those_of_transformers(self, backbone, engine, trie, beams):
        found = self.compare(backbone, engine, trie, beams=beams)
        assert (found.items >= 0).all()

    def test_more_beams_than_items_are_filled_up(self, backbone, engine, trie):
        found = self.compare(backbone, engine, trie, beams=ITEMS + 7)
        assert (found.items >= 0).sum(1).tolist() == [ITEMS] * len(PROMPTS)

    def test_masks_for_all_and_for_each_hold(self, backbone, engine, trie):
        mask = torch.zeros(len(PROMPTS), ITEMS, dtype=torch.bool)
        mask[0, [3, 30, 59]] = True
        mask[1, 10:40] = True
        mask[2] = True
        found = self.compare(backbone, engine, trie, beams=8, allowed=mask)
        assert set(found.items[0].tolist()) == {3, 30, 59, -1}
        assert set(found.items[1].tolist()) <= set(range(10, 40))
        assert found.items[3].tolist() == [-1] * 8
        self.compare(backbone, engine, trie, beams=8, allowed=mask[1])

    def test_rules_with_items_off_hold(self, backbone, engine, trie):
        seen = Sequences.of([[1, 2], [3], [], [4, 5, 6]])
        rules = AllowedItems.of(seen, ITEMS, exclude_seen=True)
        found = self.compare(backbone, engine, trie, beams=ITEMS, allowed=rules)
        assert not {1, 2} & set(found.items[0].tolist())

    @pytest.mark.parametrize("strategy", ["diverse", "sample"])
    def test_other_strategies_come_with_the_frontier(self, backbone, engine, trie, strategy):
        config = DecodeConfig(strategy=strategy)
        found = self.compare(backbone, engine, trie, beams=6, config=config)
        assert found.items.shape[1] == 6

    def test_batches_equal_one_batch_and_are_counted(self, engine, trie):
        counted = []
        one = vllm_beam_search(engine, PROMPTS, trie, beams=6)
        many = vllm_beam_search(
            engine,
            PROMPTS,
            trie,
            beams=6,
            batch_size=3,
            progress=lambda done, total: counted.append((done, total)),
        )
        assert many.items.tolist() == one.items.tolist()
        np.testing.assert_allclose(many.scores, one.scores, atol=1e-4)
        assert counted == [(3, 4), (4, 4)]

    def test_no_prompts_give_no_beams(self, engine, trie):
        assert vllm_beam_search(engine, [], trie, beams=3).items.shape == (0, 3)


class TestWithoutVllm(SearchContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, backbone):
        return InTransformers(backbone)

    def test_dead_beams_are_not_sent(self, backbone, trie):
        engine = InTransformers(backbone)
        mask = torch.zeros(2, ITEMS, dtype=torch.bool)
        mask[0, [3, 30]] = True
        vllm_beam_search(engine, PROMPTS[:2], trie, beams=20, allowed=mask)
        assert len(engine.calls[0]) == 2
        assert all(len(call) <= 2 for call in engine.calls[1:])


@pytest.mark.vllm
class TestWithVllm(SearchContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, backbone, tmp_path_factory):
        from genrec.llm.vllm_engine import VllmEngine

        folder = tmp_path_factory.mktemp("export")
        backbone.export_merged(folder)
        with VllmEngine(folder, **ENGINE) as engine:
            yield engine


@pytest.mark.vllm
@pytest.mark.parametrize("adapt", ["full", "lora"])
def test_a_finished_run_recommends_the_same_with_vllm(tmp_path, adapt):
    from genrec.recommenders.vllm import merged_export, vllm_recommender
    from genrec.workspace import Workspace

    trained = small_recommender(tmp_path / "fit", adapt=adapt)
    with Workspace(tmp_path).write("recommender", "key") as folder:
        trained.write(folder)
    data = small_dataset()
    histories = data.sequences
    users = [histories[row].items.tolist() for row in range(10)]
    few = Sequences.of([*users, []])
    expected = trained.rank(few, 10, exclude_seen=True)
    with vllm_recommender(tmp_path, data.catalog, **ENGINE | {"max_model_len": 512}) as served:
        found = served.rank(few, 10, exclude_seen=True)
        merged = merged_export(tmp_path)
    assert found.items.tolist() == expected.items.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    before = (merged / "artefact.json").stat().st_mtime_ns
    assert (merged_export(tmp_path) / "artefact.json").stat().st_mtime_ns == before
