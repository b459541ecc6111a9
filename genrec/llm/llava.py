"""A multimodal LLM from any text LLM and any vision tower, joined by transformers' own Llava class.

What comes out is a folder like any other: transformers loads it by ``AutoModelForImageTextToText``,
``AutoTokenizer`` and ``AutoImageProcessor``. Its projector is random until it is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from genrec.encoders.loading import load_pretrained
from genrec.errors import ConfigError
from genrec.llm.presets import PACKAGED

IMAGE = "<image>"


def assemble_llava(
    llm: str, tower: str | Path, folder: Path, *, layer: int = -1, seed: int = 0
) -> None:
    """Writes a Llava of a text LLM and a vision tower into a folder.

    Args:
        llm: ``smollm2-135m``, a hub name or a folder of a causal LM.
        tower: a hub name or a folder of CLIP, SigLIP or a vision tower whose hidden states are
            rows of tokens (CLIP vision, SigLIP vision, ViT, DINOv2, …).
        layer: which of the tower's hidden states the LLM sees.
        seed: of the projector's weights.

    Raises:
        ConfigError: one of them cannot be loaded, or is not of that kind.
    """
    text, text_tokenizer = _text(llm)
    vision, processor = _vision(str(tower))
    text_tokenizer.add_tokens([IMAGE], special_tokens=True)
    rows = max(len(text_tokenizer), text.get_input_embeddings().weight.shape[0])
    text.resize_token_embeddings(rows, mean_resizing=False)
    tokens, has_class_token = _tokens(vision, layer)
    strategy = "default" if has_class_token else "full"
    config = LlavaConfig(
        vision_config=vision.config,
        text_config=text.config,
        image_token_index=text_tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=tokens,
        vision_feature_layer=layer,
        vision_feature_select_strategy=strategy,
        tie_word_embeddings=text.config.tie_word_embeddings,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        joined = LlavaForConditionalGeneration(config)
    joined.model.vision_tower.load_state_dict(vision.state_dict())
    joined.model.language_model.load_state_dict(text.get_decoder().state_dict())
    joined.lm_head.load_state_dict(text.get_output_embeddings().state_dict())
    joined.tie_weights()
    # Each part in its own numbers would be loaded in one of them.
    joined.to(torch.bfloat16 if text.dtype == torch.bfloat16 else torch.float32)
    joined.generation_config = text.generation_config
    joined.save_pretrained(folder)
    LlavaProcessor(
        processor,
        text_tokenizer,
        patch_size=vision.config.patch_size,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=int(has_class_token),
        image_token=IMAGE,
        chat_template=text_tokenizer.chat_template,
    ).save_pretrained(folder)


def _text(name: str) -> tuple[Any, Any]:
    folder = name
    if name in PACKAGED:
        from genrec.llm.weights import smollm2_folder

        folder = str(smollm2_folder())
    model = load_pretrained(AutoModelForCausalLM, folder, "The text LLM", dtype="auto")
    return model, load_pretrained(AutoTokenizer, folder, "The text tokenizer of")


def _vision(name: str) -> tuple[Any, Any]:
    config = load_pretrained(AutoConfig, name, "The vision tower")
    config = getattr(config, "vision_config", None) or config
    model = MODEL_MAPPING.get(type(config), None)
    if model is None:
        raise ConfigError(f"transformers has no vision tower of the type {config.model_type}.")
    tower = load_pretrained(model, name, "The vision tower", config=config, dtype=torch.float32)
    return tower, load_pretrained(AutoImageProcessor, name, "The vision tower", backend="pil")


@torch.inference_mode()
def _tokens(vision: Any, layer: int) -> tuple[int, bool]:
    """Tokens of a picture, and whether one more stands before them for the whole."""
    size = getattr(vision.config, "image_size", 224)
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    found = vision(torch.zeros(1, 3, height, width), output_hidden_states=True).hidden_states
    states = found[layer]
    patch = getattr(vision.config, "patch_size", None)
    patches = (height // patch) * (width // patch) if isinstance(patch, int) else 0
    if states.ndim != 3 or states.shape[1] - patches not in (0, 1):
        raise ConfigError(
            f"A tower of the type {vision.config.model_type} cannot be a Llava's: its hidden "
            "states are not one token for each patch. Take CLIP, SigLIP, ViT or DINOv2."
        )
    return patches, states.shape[1] > patches
