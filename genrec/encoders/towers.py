"""Small picture and text towers from nothing, as standard folders of transformers.

Everything that is built here is of transformers' own classes, so that a trained folder opens with
``AutoModel`` and ``AutoProcessor`` anywhere. Trains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MAX_TOKENS = 32
PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"


@dataclass(frozen=True)
class TowerShape:
    """Size of a pair of towers.

    Attributes:
        width: of the picture tower; heads are 64 wide.
        layers: of the picture tower.
        text_width: of the text tower.
        text_layers: of the text tower.
        dimensions: of the common space.
    """

    width: int
    layers: int
    text_width: int
    text_layers: int
    dimensions: int


SHAPES = {
    "tiny": TowerShape(width=64, layers=2, text_width=64, text_layers=1, dimensions=64),
    "small": TowerShape(width=128, layers=4, text_width=128, text_layers=2, dimensions=128),
}


def learned_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A lower-case byte-pair tokenizer learned from texts; start and end are added by itself.

    Equal texts give an equal tokenizer, which a resumed training relies on: WordPiece's trainer
    numbers its pieces in the order of a hash table, another one in each process.
    """
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE(unk_token=UNKNOWN))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    # A space before the first word too, so that a word is the same token wherever it stands.
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[PAD, UNKNOWN, START, END, MASK],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B {END}",
        special_tokens=[(name, inner.token_to_id(name)) for name in (START, END)],
    )
    # The names of CLIP (bos, eos) and of BERT (cls, sep) both mean start and end.
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        cls_token=START,
        eos_token=END,
        sep_token=END,
        mask_token=MASK,
        model_max_length=MAX_TOKENS,
    )


def picture_processor(side: int) -> Any:
    """An image processor that squeezes pictures into a square and scales them to -1 … 1."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil(
        size={"height": side, "width": side},
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def clip_towers(
    shape: TowerShape, tokenizer: PreTrainedTokenizerFast, *, side: int, patch: int, seed: int
) -> PreTrainedModel:
    """A ``CLIPModel`` with starting weights that let small data teach attention where to look."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    heads, text_heads = max(1, shape.width // 64), max(1, shape.text_width // 64)
    config = CLIPConfig(
        projection_dim=shape.dimensions,
        vision_config={
            "hidden_size": shape.width,
            "intermediate_size": shape.width * 4,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": heads,
            "image_size": side,
            "patch_size": patch,
            "projection_dim": shape.dimensions,
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": shape.text_width,
            "intermediate_size": shape.text_width * 4,
            "num_hidden_layers": shape.text_layers,
            "num_attention_heads": text_heads,
            "max_position_embeddings": MAX_TOKENS,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "projection_dim": shape.dimensions,
        },
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
        _start_near_home(model.vision_model, heads=heads, places=side // patch)
    return model


def mae_towers(shape: TowerShape, *, side: int, patch: int, mask_share: float, seed: int) -> Any:
    """A ``ViTMAEForPreTraining``; saved, its encoder opens as a ``ViTMAEModel``."""
    import torch
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    config = ViTMAEConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=max(1, shape.width // 64),
        intermediate_size=shape.width * 4,
        image_size=side,
        patch_size=patch,
        decoder_hidden_size=shape.width // 2,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=max(1, shape.width // 64),
        decoder_intermediate_size=shape.width * 2,
        mask_ratio=mask_share,
        norm_pix_loss=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ViTMAEForPreTraining(config)


def bert_tower(
    shape: TowerShape, tokenizer: PreTrainedTokenizerFast, *, max_tokens: int, seed: int
) -> PreTrainedModel:
    """A ``BertForMaskedLM`` of the size of the shape's text tower."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.text_width,
        intermediate_size=shape.text_width * 4,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=max(1, shape.text_width // 64),
        max_position_embeddings=max_tokens,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BertForMaskedLM(config)


def save_clip(model: Any, tokenizer: Any, side: int, folder: Path) -> None:
    """Writes weights, tokenizer and image processor; ``AutoProcessor`` opens both of these."""
    from transformers import CLIPProcessor

    model.save_pretrained(folder)
    CLIPProcessor(picture_processor(side), tokenizer).save_pretrained(folder)


def _start_near_home(vision: Any, *, heads: int, places: int) -> None:
    """Positions as waves, queries like keys: at first each patch attends to those around it.

    Mimetic initialisation (Trockman and Kolter, 2023, arXiv:2305.09828): products of query and key
    weights start near a multiple of the identity, those of value and output near its negative.
    """
    import torch

    with torch.no_grad():
        weights = vision.embeddings.position_embedding.weight
        width = weights.shape[1]
        # Row 0 is the class token's.
        weights[1:] = 0.5 * _waves(places, width)
        size = width // heads
        for layer in vision.encoder.layers:
            attention = layer.self_attn
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                left, right = _factors(width, size, noise=0.7, identity=0.7)
                attention.q_proj.weight[part] = left
                attention.k_proj.weight[part] = right
            left, right = _factors(width, width, noise=0.4, identity=-0.4)
            attention.out_proj.weight.copy_(left.T)
            attention.v_proj.weight.copy_(right)


def _factors(width: int, rank: int, *, noise: float, identity: float) -> tuple[Any, Any]:
    """Two matrices, shape (rank, width), whose product ``left.T @ right`` is near the identity."""
    import torch

    target = noise * torch.randn(width, width) / math.sqrt(width) + identity * torch.eye(width)
    left, sizes, right = torch.linalg.svd(target)
    roots = sizes[:rank].sqrt()[:, None]
    return roots * left[:, :rank].T, roots * right[:rank]


def _waves(places: int, width: int) -> Any:
    """Sines and cosines of row and column, shape (places squared, width)."""
    import torch

    quarter = width // 4
    rates = 10000.0 ** (-torch.arange(quarter) / quarter)
    rows, columns = torch.meshgrid(torch.arange(places), torch.arange(places), indexing="ij")
    angles = [axis.reshape(-1, 1) * rates for axis in (columns, rows)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], 1)
