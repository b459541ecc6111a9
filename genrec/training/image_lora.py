"""A LoRA on the denoiser of a Stable Diffusion model, from latents that are computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genrec.diffusion.prefix import ProfilePrefix
from genrec.diffusion.small import to_latents, tokens_of
from genrec.errors import ConfigError
from genrec.training.buckets import BucketBatches
from genrec.training.diffusion import prediction_error
from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.image_lora_options import ImageLoraConfig

# As in diffusers' DreamBooth example.
TARGETS = ("to_k", "to_q", "to_v", "to_out.0")


@dataclass(frozen=True)
class LoraPictures:
    """Pictures and what they show.

    Attributes:
        pixels: for each bucket, shape (pictures, 3, height, width), uint8.
        prompts: what each shows, bucket by bucket.
        weight: of their loss.
    """

    pixels: Sequence[np.ndarray]
    prompts: Sequence[str]
    weight: float = 1.0


class LoraModel(nn.Module):
    """The denoiser with its adapter; only the adapter trains."""

    def __init__(self, unet: Any, scheduler: Any, *, snr_gamma: float) -> None:
        super().__init__()
        self.unet, self.scheduler, self.snr_gamma = unet, scheduler, snr_gamma


def train_image_lora(
    pipe: Any,
    prefix: ProfilePrefix | None,
    pictures: Sequence[LoraPictures],
    *,
    options: ImageLoraConfig,
    folder: Path,
    progress: Progress | None = None,
) -> FitResult:
    """Puts a LoRA on the pipeline's denoiser and trains it; ``write_image_lora`` keeps it.

    Args:
        pipe: Stable Diffusion with a UNet and one text encoder; its weights stay as they are.
        prefix: of the model; its tokens of nobody stand behind the prompt.
        pictures: of the instance, and of the class where it is to be preserved.
        folder: of checkpoints.

    Raises:
        ConfigError: it is another kind of model.
    """
    from peft import LoraConfig

    if type(pipe).__name__ != "StableDiffusionPipeline" or not hasattr(pipe, "unet"):
        raise ConfigError(
            f"image_lora trains Stable Diffusion models with one text encoder; "
            f"'{options.pretrained_model_name_or_path}' is a {type(pipe).__name__}."
        )
    for part in (pipe.vae, pipe.text_encoder, pipe.unet):
        part.requires_grad_(requires_grad=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        pipe.unet.add_adapter(
            LoraConfig(
                r=options.rank,
                lora_alpha=options.lora_alpha or options.rank,
                init_lora_weights="gaussian",
                target_modules=list(TARGETS),
            )
        )
    latents, words, known = _cached(pipe, prefix, pictures)
    buckets = known[:, 0]
    weights = torch.tensor([part.weight for part in pictures])
    rows = BucketBatches(buckets, options.train_batch_size, options.seed)
    steps = int(pipe.scheduler.config.num_train_timesteps)

    def collate(batch: list[tuple[int, int]]) -> Batch:
        chosen, generator = rows.rows_of(batch[0])
        bucket, places, said, parts = known[chosen].T
        own = latents[int(bucket[0])][places]
        noise = generator.standard_normal(own.shape, np.float32)
        return {
            "latents": own,
            "noise": torch.from_numpy(noise),
            "timesteps": torch.from_numpy(generator.integers(0, steps, len(chosen))),
            "words": words[said],
            "weights": weights[parts],
        }

    model = LoraModel(pipe.unet, pipe.scheduler, snr_gamma=options.snr_gamma)
    result = fit(
        model,
        rows,
        collate=collate,
        loss=lora_loss,
        config=replace(options.fit_config, batch_size=1),
        folder=folder,
        progress=progress,
        job=f"image-lora {_digest(latents, words, known)} {asdict(options)}",
    )
    pipe.unet.eval()
    return result


def lora_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Weighed squared error of the denoiser's prediction."""
    assert isinstance(model, LoraModel)
    error = prediction_error(
        model.unet, model.scheduler, batch, batch["words"], snr_gamma=model.snr_gamma
    )
    return (error * batch["weights"]).sum() / batch["weights"].sum().clamp(min=1e-8)


def write_image_lora(pipe: Any, folder: Path) -> None:
    """Writes the adapter in the form that diffusers' ``load_lora_weights`` reads."""
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.unet))
    type(pipe).save_lora_weights(folder, unet_lora_layers=layers, safe_serialization=True)


@torch.no_grad()
def _cached(
    pipe: Any, prefix: ProfilePrefix | None, pictures: Sequence[LoraPictures]
) -> tuple[list[Tensor], Tensor, np.ndarray]:
    """Latents by bucket, states of each prompt, and what is known of each row.

    Returns:
        The last has the shape (rows, 4): bucket, place in it, prompt and part of ``pictures``.
    """
    said = sorted({prompt for part in pictures for prompt in part.prompts})
    numbers = {prompt: number for number, prompt in enumerate(said)}
    by_shape: dict[tuple[int, ...], list[tuple[Tensor, list[tuple[int, int]]]]] = {}
    for number, part in enumerate(pictures):
        own = [(numbers[prompt], number) for prompt in part.prompts]
        for pixels in part.pixels:
            found = to_latents(pipe.vae, pixels)
            by_shape.setdefault(tuple(found.shape[1:]), []).append((found, own[: len(found)]))
            own = own[len(found) :]
    latents, rows = [], []
    for bucket, shape in enumerate(sorted(by_shape)):
        latents.append(torch.cat([found for found, _ in by_shape[shape]]))
        facts = [one for _, own in by_shape[shape] for one in own]
        rows += [(bucket, place, *one) for place, one in enumerate(facts)]
    tokens = tokens_of(pipe.tokenizer, said)
    words = pipe.text_encoder(tokens.to(pipe.text_encoder.device))[0].float().cpu()
    if prefix is not None:
        nobody = prefix.null.detach().float().cpu().expand(len(words), -1, -1)
        words = torch.cat([words, nobody], dim=1)
    return latents, words, np.array(rows, np.int64)


def _digest(latents: Sequence[Tensor], words: Tensor, known: np.ndarray) -> str:
    digest = hashlib.sha256(words.numpy().tobytes() + known.tobytes())
    for part in latents:
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()[:16]
