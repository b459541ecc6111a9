"""Small diffusion models from nothing, as stock folders of diffusers.

Every part is a class of diffusers or transformers, so that ``StableDiffusionPipeline`` loads the
folder and adapters fit on it; ``profile_prefix/`` beside them is ours. Trains nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrec.diffusion.prefix import FOLDER, PrefixConfig, ProfilePrefix
from genrec.encoders.loading import need
from genrec.shipped import CHECKPOINTS, shipped_folder

MAX_TOKENS = 32
# Pixels of a side that one place of a latent stands for.
CELL = 4
# Of the embeddings of words in a new text encoder.
WORD_SPREAD = 0.5
START, END = "<|startoftext|>", "<|endoftext|>"
NOTE_FILE = "made_by.json"
TOY, TOY_FOLDER = "toy", "product-diffusion-toy"


@dataclass(frozen=True)
class SmallShape:
    """Sizes of a small model.

    Attributes:
        latent_channels: numbers in each place of a latent, which stands for 4 x 4 pixels.
        vae_width: channels of the decoder.
        widths: channels of the denoiser at the latent's resolution, at half and at a quarter of it;
            the first has no attention.
        text_width: of the text encoder, and of the tokens that the denoiser attends to.
        text_layers: of the text encoder.
        prefix_tokens: that a taste becomes.
    """

    latent_channels: int
    vae_width: int
    widths: tuple[int, int, int]
    text_width: int
    text_layers: int
    prefix_tokens: int


SHAPES = {
    "tiny": SmallShape(4, 8, (8, 16, 16), 32, 1, 2),
    "small": SmallShape(8, 32, (64, 64, 96), 64, 2, 4),
    "medium": SmallShape(8, 48, (96, 128, 192), 96, 3, 4),
}


@dataclass
class SmallParts:
    """What a small model is made of.

    Attributes:
        vae: an ``AutoencoderTiny``.
        unet: a ``UNet2DConditionModel``.
        text_encoder: a ``CLIPTextModel``.
        tokenizer: a ``CLIPTokenizer``.
        prefix: the tokens of a taste.
    """

    vae: Any
    unet: Any
    text_encoder: Any
    tokenizer: Any
    prefix: ProfilePrefix


def _needed() -> None:
    need(
        "A small diffusion model",
        ("diffusers", "diffusers", "diffusion"),
        ("transformers", "transformers", "llm"),
    )


def small_vae(shape: SmallShape, pixels: Sequence[np.ndarray], *, seed: int) -> Any:
    """An ``AutoencoderTiny`` whose encoder is computed; its decoder has still to be trained.

    The encoder is linear: principal components of squares of 4 x 4 pixels, the strongest
    ``latent_channels`` of them. Their spreads are drawn together, to the fourth root of their
    variances, so that fine patterns are not lost in noise long before large areas are.

    Args:
        pixels: pictures of each bucket, shape (pictures, 3, height, width), uint8.
    """
    _needed()
    from diffusers import AutoencoderTiny

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderTiny(
            latent_channels=shape.latent_channels,
            encoder_block_out_channels=(3 * CELL**2,) * 3,
            decoder_block_out_channels=(shape.vae_width,) * 3,
            num_encoder_blocks=(0, 0, 0),
            num_decoder_blocks=(2, 1, 0),
        )
    mean, components = _components(pixels, shape.latent_channels)
    first, half, quarter, last = vae.encoder.layers
    with torch.no_grad():
        for layer in (first, half, quarter, last):
            layer.weight.zero_()
            if layer.bias is not None:
                layer.bias.zero_()
        for channel in range(3):
            first.weight[channel, channel, 1, 1] = 1
        # Every second place, with what lies right of it and below in channels of its own.
        for layer, channels in ((half, 3), (quarter, 12)):
            for down in range(2):
                for across in range(2):
                    for channel in range(channels):
                        to = (down * 2 + across) * channels + channel
                        layer.weight[to, channel, 1 + down, 1 + across] = 1
        last.weight[:, :, 1, 1] = components
        last.bias.copy_(-components @ mean)
    vae.encoder.requires_grad_(requires_grad=False)
    return vae


def _components(pixels: Sequence[np.ndarray], count: int) -> tuple[Tensor, Tensor]:
    """Mean, shape (48,), and scaled components, shape (count, 48), in the encoder's order."""
    parts = [
        np.concatenate([_cells(batch) for batch in np.array_split(part, -(-len(part) // 500))])
        for part in pixels
        if len(part)
    ]
    cells = np.concatenate(parts).astype(np.float64)
    mean = cells.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov((cells - mean).T))
    variances, vectors = variances[::-1][:count], vectors[:, ::-1][:, :count]
    # The sign of a component is arbitrary; the largest entry is made positive.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    kept = np.maximum(variances, 1e-9)
    wanted = (kept / kept.max()) ** 0.25
    wanted /= np.sqrt((wanted**2).mean())
    scaled = (vectors * (wanted / np.sqrt(kept))).T
    return (
        torch.from_numpy(mean.astype(np.float32)),
        torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32)),
    )


def _cells(pixels: np.ndarray) -> np.ndarray:
    """Squares of 4 x 4 pixels, shape (squares, 48), 0 to 1, channels as the encoder folds them."""
    count, channels, height, width = pixels.shape
    # (down in the half, across in it, …) of the second fold come before those of the first.
    split = pixels.reshape(count, channels, height // 4, 2, 2, width // 4, 2, 2)
    return split.transpose(0, 2, 5, 3, 6, 4, 7, 1).reshape(-1, 3 * CELL**2) / np.float32(255)


def small_parts(
    shape: SmallShape,
    vae: Any,
    texts: Iterable[str],
    *,
    vocabulary: int,
    dims: int,
    side: int,
    seed: int,
) -> SmallParts:
    """A denoiser, a text encoder with a tokenizer learned from texts, and a prefix, untrained.

    Args:
        vae: trained, or not.
        dims: length of a taste.
        side: longest side of the pictures in pixels.
    """
    _needed()
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = small_tokenizer(texts, vocabulary)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=shape.text_width,
                intermediate_size=shape.text_width * 4,
                num_hidden_layers=shape.text_layers,
                num_attention_heads=max(1, shape.text_width // 32),
                max_position_embeddings=MAX_TOKENS,
                projection_dim=shape.text_width,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        # CLIP's own 0.02 suits wide models; here the first layer would drown which word it is.
        text_encoder.get_input_embeddings().weight.data.normal_(std=WORD_SPREAD)
        unet = UNet2DConditionModel(
            sample_size=side // CELL,
            in_channels=shape.latent_channels,
            out_channels=shape.latent_channels,
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
            up_block_types=(*("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
            mid_block_type="UNetMidBlock2DCrossAttn",
            block_out_channels=shape.widths,
            layers_per_block=1,
            cross_attention_dim=shape.text_width,
            # Of diffusers' naming: so many heads, not so many channels each.
            attention_head_dim=4,
            norm_num_groups=8,
            # What words and taste say as a whole scales every block, beside the attention to them:
            # a pattern is a matter of the whole cloth, and attention alone learned it slowly.
            addition_embed_type="text",
            addition_embed_type_num_heads=4,
            resnet_time_scale_shift="scale_shift",
        )
        prefix = ProfilePrefix(PrefixConfig(dims, shape.prefix_tokens, shape.text_width, 128))
    return SmallParts(vae, unet, text_encoder, tokenizer, prefix)


def small_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A ``CLIPTokenizer`` learned from texts; equal texts give an equal one.

    Every byte is a token, so that no prompt has an unknown word.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    inner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    inner.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocabulary - 2 - len(alphabet), 300),
        min_frequency=1,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    inner.train_from_iterator(sorted(set(texts)), trainer)
    merges = json.loads(inner.to_str())["model"]["merges"]
    pairs = [tuple(merge if isinstance(merge, list) else merge.split(" ")) for merge in merges]
    # As in CLIP's own file: bytes, bytes that end a word, merges, then start and end.
    words = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *("".join(p) for p in pairs)]
    vocab = {word: number for number, word in enumerate(dict.fromkeys([*words, START, END]))}
    return CLIPTokenizer(
        vocab=vocab,
        merges=pairs,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=MAX_TOKENS,
    )


def tokens_of(tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Token numbers, shape (texts, MAX_TOKENS), as diffusers' pipelines make them."""
    return tokenizer(
        list(texts),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids


def small_scheduler(prediction: str) -> Any:
    """The noise schedule that small models are trained with, ready to sample in few steps.

    Its last step is pure noise (Lin et al., 2023, arXiv:2305.08891), or a picture's mean brightness
    could not be chosen.
    """
    _needed()
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        rescale_betas_zero_snr=prediction == "v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


@torch.no_grad()
def to_latents(vae: Any, pixels: np.ndarray, *, batch: int = 64) -> Tensor:
    """Latents as the denoiser sees them, shape (pictures, channels, height / 4, width / 4).

    Args:
        pixels: shape (pictures, 3, height, width), uint8.
    """
    vae.eval()
    device = next(vae.parameters()).device
    parts = []
    for start in range(0, len(pixels), batch):
        part = torch.from_numpy(pixels[start : start + batch]).to(device).float()
        encoded = vae.encode(part / 127.5 - 1)
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        parts.append(latents.float().cpu() * vae.config.scaling_factor)
    return torch.cat(parts)


def save_small(
    parts: SmallParts, scheduler: Any, folder: Path, *, note: dict[str, Any], half: bool = True
) -> None:
    """Writes the folder that ``StableDiffusionPipeline.from_pretrained`` and ``Painter`` load.

    Args:
        note: how it was made, JSON values, kept in ``made_by.json``.
        half: store denoiser and autoencoder in 16 bits. The text encoder stays in 32: transformers
            would load it in what it was stored in.
    """
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        vae=_stored(parts.vae, half=half),
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        unet=_stored(parts.unet, half=half),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    parts.prefix.save(folder / FOLDER)
    about = {**note, "prefix": asdict(parts.prefix.config)}
    (folder / NOTE_FILE).write_text(json.dumps(about, indent=1), encoding="utf-8")
    for path in folder.rglob("*.json"):
        known = json.loads(path.read_text(encoding="utf-8"))
        # Where a part lay on the machine that made it is nobody's business.
        if known.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)


def model_place(name: str) -> str:
    """Where a model lies: ``toy`` is the one that genrec ships, anything else is left as it is.

    Raises:
        ConfigError: the shipped one is missing.
    """
    return str(shipped_folder(CHECKPOINTS) / TOY_FOLDER) if name == TOY else name


def made_by(name: str) -> dict[str, Any]:
    """What is noted of how a small model was made; empty if nothing is."""
    path = Path(model_place(name)) / NOTE_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _stored(model: Any, *, half: bool) -> Any:
    import copy

    return copy.deepcopy(model).half() if half else model
