"""A chat model small enough for tests, as a folder that transformers loads like any other."""

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from genrec.llm.presets import byte_tokenizer

TEMPLATE = (
    "{% for message in messages %}<bos>{{ message.role }}: {{ message.content }}<eos>\n{% endfor %}"
    "{% if add_generation_prompt %}<bos>assistant: {% endif %}"
)
CONTEXT = 512


def write_chat_model(
    folder: Path, *, template: str | None = TEMPLATE, context: int = CONTEXT, seed: int = 0
) -> str:
    """Random weights and a tokenizer of bytes: it writes noise, but the same noise every time.

    Args:
        context: the most tokens that it reads and writes together.
    """
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=context,
        # Far above the usual: the likeliest token then changes from step to step.
        initializer_range=0.6,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
