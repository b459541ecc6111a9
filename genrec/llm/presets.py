"""Names of backbones that need no hub: two from scratch, one from a package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Shape:
    """Size of a Llama-type backbone with random weights."""

    width: int
    layers: int
    heads: int
    context: int = 2048


SCRATCH = {
    "tiny": Shape(width=128, layers=3, heads=4),
    "small": Shape(width=256, layers=6, heads=8),
}
PACKAGED = ("smollm2-135m",)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A text tokenizer without merges: 256 bytes and three special tokens, for any language."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<pad>", "<bos>", "<eos>"]
    vocabulary = {token: number for number, token in enumerate([*special, *alphabet])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",  # nosec B106
        bos_token="<bos>",
        eos_token="<eos>",
    )


def scratch_model(
    shape: Shape,
    vocabulary: int,
    *,
    seed: int,
    attention_dropout: float,
    hidden_dropout: float = 0.0,
) -> PreTrainedModel:
    """A Llama-type causal LM with random weights and tied embeddings."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        intermediate_size=shape.width * 3,
        max_position_embeddings=shape.context,
        attention_dropout=attention_dropout,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        _start_with_copying(model)
        if hidden_dropout:
            for layer in model.model.layers:
                for part in (layer.self_attn.o_proj, layer.mlp.down_proj):
                    part.register_forward_hook(_dropping(hidden_dropout))
        return model


def _dropping(share: float) -> Any:
    """A hook that drops a share of what a module gives, while it trains."""
    from torch.nn import functional

    def drop(module: Any, _inputs: Any, output: Any) -> Any:
        return functional.dropout(output, share, training=module.training)

    return drop


def _start_with_copying(model: Any) -> None:
    """Lets each attention layer begin as an average of the tokens before, in their own space.

    Value and output projections start as an orthogonal matrix and its transpose, so that with
    tied embeddings a token that stands in the history often is likely from the first step. From
    random projections, small models take millions of tokens to find that out (the idea is that of
    Trockman and Kolter 2023, "Mimetic initialization of self-attention layers").
    """
    from torch import nn

    width = model.config.hidden_size
    nn.init.normal_(model.get_input_embeddings().weight, std=width**-0.5)
    for layer in model.model.layers:
        nn.init.orthogonal_(layer.self_attn.v_proj.weight)
        layer.self_attn.o_proj.weight.data.copy_(layer.self_attn.v_proj.weight.data.T)
