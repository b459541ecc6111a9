"""A LoRA on the denoiser of a diffusion model, from latents and prompts that are computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genrec.diffusion.painter import Painter
from genrec.diffusion.prefix import ProfilePrefix
from genrec.training.buckets import BucketBatches
from genrec.training.company import Company
from genrec.training.denoising import Denoising
from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.image_lora_options import ImageLoraConfig

# As in diffusers' DreamBooth example.
TARGETS = ("to_k", "to_q", "to_v", "to_out.0")
# Of models whose words and squares attend to one another, those of the words too.
_OF_WORDS = ("add_k_proj", "add_q_proj", "add_v_proj", "to_add_out")


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

    def __init__(self, denoiser: Any, denoising: Denoising) -> None:
        super().__init__()
        self.denoiser, self.denoising = denoiser, denoising


def train_image_lora(
    painter: Painter,
    pictures: Sequence[LoraPictures],
    *,
    options: ImageLoraConfig,
    folder: Path,
    progress: Progress | None = None,
) -> FitResult:
    """Puts a LoRA on the painter's denoiser and trains it; ``write_image_lora`` keeps it.

    Where several processes were launched, all call it alike and share each batch.

    Args:
        painter: of a model of SD, SDXL or FLUX; its weights stay as they are. Its profile
            prefix's tokens of nobody, if it has one, stand behind the prompts.
        pictures: of the instance, and of the class where it is to be preserved.
        folder: of checkpoints.

    Raises:
        ConfigError: it is another kind of model, or the processes cannot share the batches.
    """
    from peft import LoraConfig

    denoising = Denoising(
        painter.pipe,
        painter.family,
        snr_gamma=options.snr_gamma,
        guidance_scale=options.guidance_scale,
    )
    denoiser = getattr(painter.pipe, painter.family.denoiser)
    for part in painter.pipe.components.values():
        if isinstance(part, nn.Module):
            part.requires_grad_(requires_grad=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        denoiser.add_adapter(
            LoraConfig(
                r=options.rank,
                lora_alpha=options.lora_alpha or options.rank,
                init_lora_weights="gaussian",
                target_modules=[*TARGETS, *(_OF_WORDS if denoising.flows else ())],
            )
        )
    latents, words, known = _cached(denoising, painter.prefix, pictures)
    buckets = known[:, 0]
    weights = torch.tensor([part.weight for part in pictures])
    company = Company.of_environment()
    company.check_batch(options.train_batch_size, "finetune.image_lora.train_batch_size")
    rows = BucketBatches(buckets, options.train_batch_size, options.seed)

    def collate(batch: list[tuple[int, int]]) -> Batch:
        chosen, generator = rows.rows_of(batch[0])
        bucket, places, said, parts = known[chosen].T
        own = latents[int(bucket[0])][places]
        noise = generator.standard_normal(own.shape, np.float32)
        counted = weights[parts]
        drawn = {
            "latents": own,
            "noise": torch.from_numpy(noise),
            **denoising.levels(len(chosen), generator),
            **{name: values[said] for name, values in words.items()},
            # A mean over rows is then the weighed mean over those of the whole batch.
            "weights": counted / counted.mean().clamp(min=1e-8),
        }
        return {name: values[company.rank :: company.count] for name, values in drawn.items()}

    model = LoraModel(denoiser, denoising)
    result = fit(
        model,
        rows,
        collate=collate,
        loss=lora_loss,
        config=replace(options.fit_config, batch_size=1),
        folder=folder,
        progress=progress,
        fp16=options.mixed_precision == "fp16",
        targets=lambda batch: len(batch["latents"]),
        whole_batches=True,
        job=f"image-lora {_digest(latents, words, known)} {asdict(options)}",
    )
    denoiser.eval()
    return result


def lora_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Weighed squared error of the denoiser's prediction."""
    assert isinstance(model, LoraModel)
    error = model.denoising.error(model.denoiser, batch)
    return (error * batch["weights"]).mean()


def write_image_lora(painter: Painter, folder: Path) -> None:
    """Writes the adapter in the form that diffusers' ``load_lora_weights`` reads."""
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    part = painter.family.denoiser
    denoiser = getattr(painter.pipe, part)
    given = {
        f"{part}_lora_layers": convert_state_dict_to_diffusers(get_peft_model_state_dict(denoiser)),
        # Without it, whoever loads the adapter takes lora_alpha for the rank.
        f"{part}_lora_adapter_metadata": denoiser.peft_config["default"].to_dict(),
    }
    type(painter.pipe).save_lora_weights(folder, **given, safe_serialization=True)


@torch.no_grad()
def _cached(
    denoising: Denoising, prefix: ProfilePrefix | None, pictures: Sequence[LoraPictures]
) -> tuple[list[Tensor], Batch, np.ndarray]:
    """Latents by bucket, what the denoiser reads of each prompt, and what is known of each row.

    Returns:
        The last has the shape (rows, 4): bucket, place in it, prompt and part of ``pictures``.
    """
    said = sorted({prompt for part in pictures for prompt in part.prompts})
    numbers = {prompt: number for number, prompt in enumerate(said)}
    by_shape: dict[tuple[int, ...], list[tuple[Tensor, list[tuple[int, int]]]]] = {}
    for number, part in enumerate(pictures):
        own = [(numbers[prompt], number) for prompt in part.prompts]
        for pixels in part.pixels:
            found = denoising.latents(pixels)
            by_shape.setdefault(tuple(found.shape[1:]), []).append((found, own[: len(found)]))
            own = own[len(found) :]
    latents, rows = [], []
    for bucket, shape in enumerate(sorted(by_shape)):
        latents.append(torch.cat([found for found, _ in by_shape[shape]]))
        facts = [one for _, own in by_shape[shape] for one in own]
        rows += [(bucket, place, *one) for place, one in enumerate(facts)]
    return latents, denoising.prompts(said, prefix), np.array(rows, np.int64)


def _digest(latents: Sequence[Tensor], words: Batch, known: np.ndarray) -> str:
    digest = hashlib.sha256(known.tobytes())
    for part in (*words.values(), *latents):
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()[:16]
