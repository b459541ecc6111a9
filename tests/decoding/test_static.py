"""Passes of fixed size against the search whose cache grows."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from genrec.decoding import static
from genrec.decoding.beam import beam_search
from genrec.decoding.options import DecodeConfig
from genrec.decoding.static import StaticSearch, _Pass, _Passes
from genrec.decoding.trie import Trie
from genrec.errors import ConfigError
from tests.decoding.test_beam import PROMPTS, adapted, backbone_of
from tests.small import small_index


def assert_same(one, other):
    assert one.items.tolist() == other.items.tolist()
    np.testing.assert_allclose(one.scores, other.scores, atol=2e-5)
    np.testing.assert_allclose(one.states, other.states, atol=2e-5)


def prompts_of(count, seed=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 150, size=count)
    return [generator.integers(1, 90, size=length).tolist() for length in lengths]


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_it_finds_what_beam_search_finds(family, attention):
    backbone, trie = backbone_of(family, attention), Trie.build(small_index().codes)
    search = StaticSearch(backbone)
    for beams in (1, 5, len(small_index())):
        assert_same(
            search(PROMPTS, trie, beams=beams), beam_search(backbone, PROMPTS, trie, beams=beams)
        )


@pytest.mark.parametrize("strategy", ["best", "diverse", "sample"])
def test_many_users_one_after_another_share_its_passes(strategy):
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    config, search = DecodeConfig(strategy=strategy), StaticSearch(backbone, most_users=4)
    allowed = np.arange(len(small_index())) % 3 > 0
    for seed in range(3):
        prompts = prompts_of(11, seed)
        options = {"beams": 6, "allowed": allowed, "config": config}
        assert_same(
            search(prompts, trie, **options), beam_search(backbone, prompts, trie, **options)
        )


def test_all_items_at_once_and_more_beams_than_one_pass_takes(monkeypatch):
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    search, exact = StaticSearch(backbone), DecodeConfig(exact=True)
    whole = beam_search(backbone, PROMPTS, trie, beams=7, config=exact)
    assert_same(search(PROMPTS, trie, beams=7, config=exact), whole)
    monkeypatch.setattr(static, "QUERIES", 5)
    assert_same(search(PROMPTS, trie, beams=7, config=exact), whole)


def test_the_shape_used_longest_ago_goes():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    search = StaticSearch(backbone, kept=2)
    for beams in (2, 3, 2, 4):
        search(PROMPTS[:1], trie, beams=beams)
    assert [shape[2] for shape in search._passes] == [2, 4]


def test_passes_write_over_the_same_memory():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    search = StaticSearch(backbone)

    def places():
        search(prompts_of(1, seed=5), trie, beams=4)
        (passes,) = search._passes.values()
        layers = passes.step.cache.layers
        return [x.data_ptr() for layer in layers for x in (layer.keys, layer.values)]

    assert places() == places()


@pytest.mark.parametrize("strategy", ["best", "diverse", "sample"])
def test_results_stay_when_later_passes_write_over_theirs(monkeypatch, strategy):
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    computed, places = _Pass._forward, {}

    def in_place(one):
        # As a replayed graph does.
        return places.setdefault(one, torch.empty_like(one.embeddings)).copy_(computed(one))

    monkeypatch.setattr(_Pass, "_forward", in_place)
    config, search = DecodeConfig(strategy=strategy), StaticSearch(backbone, most_users=2)
    prompts = prompts_of(9, seed=1)
    first = search(prompts, trie, beams=6, config=config)
    search(prompts_of(9, seed=2), trie, beams=6, config=config)
    assert_same(first, beam_search(backbone, prompts, trie, beams=6, config=config))


class Operations(TorchDispatchMode):
    """The devices of all tensors that operations take and give, and the operations' names."""

    def __init__(self):
        super().__init__()
        self.devices, self.names = set(), set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, found)) if isinstance(x, torch.Tensor)]
        self.devices |= {tensor.device.type for tensor in tensors}
        self.names.add(function.name())
        return found


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "smollm3", "gemma"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("lora", [False, True])
@torch.inference_mode()
def test_a_pass_touches_one_device_and_reads_nothing_back(family, attention, lora):
    """What a capture asks for. Tensors without values stand for a GPU: they refuse to be read."""
    backbone = backbone_of(family, attention)
    backbone = adapted(backbone).eval() if lora else backbone
    backbone.to("meta")
    passes = _Passes(backbone, users=2, length=64, width=5, levels=3)
    for one in (passes.prefill, passes.step):
        one._forward()
        with Operations() as seen:
            one._forward()
        assert seen.devices == {"meta"}
        assert "aten::index_copy_" in seen.names


@pytest.mark.parametrize("family", ["gemma2", "mistral window"])
def test_windows_are_refused(family):
    with pytest.raises(ConfigError, match="looks back through a window"):
        StaticSearch(backbone_of(family))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="passes are captured on a GPU alone")
def test_captured_passes_find_the_same():
    backbone, trie = backbone_of("llama").cuda(), Trie.build(small_index().codes)
    search = StaticSearch(backbone)
    for seed in range(3):
        prompts = prompts_of(3, seed)
        assert_same(search(prompts, trie, beams=6), beam_search(backbone, prompts, trie, beams=6))
