"""One exported tiny LLM and the prompts that both back-ends get."""

from __future__ import annotations

import torch

from genrec.llm.backbone import Backbone
from genrec.llm.options import BackboneConfig
from tests.small import small_index

# Of different lengths, one longer than a block of the cache, two with the same start.
PROMPTS = [[1, 5, 9], [1, 7], [1, *range(20, 90)], [1, *range(20, 90), 4]]
ENGINE = {"max_model_len": 256, "kv_cache_memory_bytes": 2**26, "max_num_seqs": 64}


def tiny_backbone(**config) -> Backbone:
    """Head dimension 32, which vLLM has on a CPU; larger weights, so that scores differ clearly."""
    index = small_index()
    backbone = Backbone.create(
        BackboneConfig(name="tiny", **{"adapt": "full", **config}),
        index.token_names,
        index.codebook_sizes,
    ).eval()
    with torch.no_grad():
        for name, weight in backbone.named_parameters():
            if weight.dim() == 2 and "lora_A" not in name:
                weight.add_(torch.randn(weight.shape, generator=seeded(name)) * 0.1)
    return backbone


def seeded(name: str) -> torch.Generator:
    return torch.Generator().manual_seed(sum(name.encode()))
