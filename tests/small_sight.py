"""LLMs that see, of transformers' own classes, small and random, saved as any pretrained folder."""

import io

import polars as pl
import torch
from PIL import Image
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder
from genrec.llm.llava import assemble_llava
from genrec.llm.presets import byte_tokenizer
from tests.small_towers import vision_folder

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
COLOURS = ("red", "green", "blue", "black", "white", "yellow")


def text_folder(folder, *, tied=True):
    """A tiny causal LM with a text tokenizer of bytes."""
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    # At the usual spread, so small a random LLM hands hardly anything on from token to token.
    config = LlamaConfig(
        vocab_size=len(tokenizer), tie_word_embeddings=tied, initializer_range=0.2, **TEXT
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def llava_folder(folder, tower="clip", *, tied=True):
    """A Llava of a tiny LLM and a tiny tower."""
    text = text_folder(folder / "text", tied=tied)
    vision = vision_folder(tower, folder / "tower")
    assemble_llava(str(text), vision, folder / "llava")
    return folder / "llava"


def _qwen25(text, image):
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 8,
        "out_hidden_size": 32, "window_size": 32, "fullatt_block_indexes": [1],
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config={**text, "rope_parameters": rope}, vision_config=vision, image_token_id=image
    )
    processor = Qwen2VLImageProcessorPil(
        patch_size=8, size={"shortest_edge": 32 * 32, "longest_edge": 32 * 32}
    )
    return Qwen2_5_VLForConditionalGeneration(config), processor


def _qwen3(text, image):
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 8,
        "out_hidden_size": 32, "deepstack_visual_indexes": [0], "num_position_embeddings": 16,
    }  # fmt: skip
    config = Qwen3VLConfig(
        text_config={**text, "rope_parameters": rope}, vision_config=vision, image_token_id=image
    )
    processor = Qwen2VLImageProcessorPil(
        patch_size=8, size={"shortest_edge": 32 * 32, "longest_edge": 32 * 32}
    )
    return Qwen3VLForConditionalGeneration(config), processor


def _smolvlm(text, image):
    vision = {**VISION, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    config = SmolVLMConfig(
        text_config={"model_type": "llama", **text}, vision_config=vision, image_token_id=image,
        scale_factor=2, pad_token_id=0,
    )  # fmt: skip
    processor = SmolVLMImageProcessorPil(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}
    )
    return SmolVLMForConditionalGeneration(config), processor


def _gemma3(text, image):
    vision = {**VISION, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    config = Gemma3Config(
        text_config={**text, "sliding_window": 64}, vision_config=vision,
        mm_tokens_per_image=4, image_token_id=image,
    )  # fmt: skip
    model = Gemma3ForConditionalGeneration(config)
    # Zeros before any training.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight)
    return model, Gemma3ImageProcessorPil(size={"height": 32, "width": 32})


NATIVE = {"qwen2.5-vl": _qwen25, "qwen3-vl": _qwen3, "smolvlm": _smolvlm, "gemma3": _gemma3}


def native_folder(name, folder):
    """A native VLM with its image processor and a text tokenizer of bytes."""
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    text = {**TEXT, "vocab_size": len(tokenizer)}
    model, processor = NATIVE[name](text, tokenizer.convert_tokens_to_ids("<image>"))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def picture(colour, size=(32, 32)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def seen_catalog(folder, items, *, colours=None):
    """Things with pictures of one colour each; every fifth has none, unless colours are given."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number in range(items):
        colour = COLOURS[number % len(COLOURS)] if colours is None else colours[number]
        if colours is None and number % 5 == 4:
            names.append(None)
            continue
        (folder / f"{number}.png").write_bytes(picture(colour))
        names.append(f"{number}.png")
    table = pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(items)],
            "title": [f"thing {n}" for n in range(items)],
            "image": names,
        }
    )
    return Catalog(table, media=MediaFolder.at(folder))
