"""Diffusion models by hub name or folder, through diffusers' own loaders.

Only safetensors are read and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genrec.diffusion.caching import cache_steps
from genrec.diffusion.families import Family, family_of
from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.prefix import FOLDER, ProfilePrefix
from genrec.diffusion.schedulers import scheduler_by_name
from genrec.diffusion.verifier import FOLDER as VERIFIER
from genrec.diffusion.verifier import Verifier
from genrec.encoders.loading import (
    cpu_has_bfloat16,
    folder_hash,
    need,
    refuse_missing_folder,
)
from genrec.errors import ConfigError

LOG = logging.getLogger(__name__)


def load_pipeline(options: DiffusionOptions) -> tuple[Any, Family]:
    """The model as diffusers' pipeline from text to picture, and the family that it is of.

    Raises:
        ConfigError: it, or what is to be put into it, cannot be loaded or does not fit.
        MissingExtra: diffusers is not installed.
    """
    need(
        "Painting pictures",
        ("diffusers", "diffusers", "diffusion"),
        ("torch", "torch", "llm"),
        ("transformers", "transformers", "llm"),
        ("PIL", "pillow", "images"),
    )
    import diffusers

    with _loads("The diffusion model", options.name):
        refuse_missing_folder(options.name)
        about = diffusers.DiffusionPipeline.load_config(
            options.name, **({"revision": options.revision} if options.revision else {})
        )
    family = family_of(str(about.get("_class_name")), options.name)
    given: dict[str, Any] = {"dtype": _dtype(options), "use_safetensors": True}
    given |= {
        key: getattr(options, key) for key in ("revision", "variant") if getattr(options, key)
    }
    if "safety_checker" in about:
        # It would black pictures out. What is unsafe is flagged by ``safety``.
        given |= {"safety_checker": None, "requires_safety_checker": False}
    if options.tiny_vae:
        with _loads("The tiny VAE", options.tiny_vae):
            refuse_missing_folder(options.tiny_vae)
            given["vae"] = diffusers.AutoencoderTiny.from_pretrained(
                options.tiny_vae, torch_dtype=given["dtype"], use_safetensors=True
            )
    with _quiet(), _loads("The diffusion model", options.name):
        pipe = diffusers.DiffusionPipeline.from_pretrained(options.name, **given)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_by_name(options.scheduler, pipe.scheduler)
    _fit_tiny_vae(pipe, family, options)
    _equip(pipe, family, options)
    return pipe, family


def load_prefix(options: DiffusionOptions) -> ProfilePrefix | None:
    """The profile prefix that is named, or that lies in the model's folder, or none.

    Raises:
        ArtefactError: it is there and cannot be read.
    """
    if options.prefix == "none":
        return None
    folder = Path(options.prefix or Path(options.name) / FOLDER)
    return ProfilePrefix.load(folder) if options.prefix or folder.is_dir() else None


def load_verifier(options: DiffusionOptions) -> Verifier | None:
    """What chooses among pictures of one job; None where each is painted once.

    Raises:
        ConfigError: there are several pictures and nothing to choose by.
        ArtefactError: it is there and cannot be read.
    """
    if options.best_of == 1:
        return None
    folder = Path(options.verifier or Path(options.name) / VERIFIER)
    if not folder.is_dir():
        raise ConfigError(
            f"best_of is {options.best_of}, and there is no verifier in {folder} that could say "
            "which picture is best. Fit one (genrec.diffusion.verifier), name it, or take 1."
        )
    return Verifier.load(folder)


def model_version(options: DiffusionOptions, pipe: Any) -> str:
    """A hash of everything that decides a picture beside its job."""
    import diffusers
    import torch

    digest = hashlib.sha256()
    # How many pictures are made at once, and how they are checked, decides nothing of them.
    free = ("batch_size", "encoded_prompts", "safety", "safety_threshold", "name", "offload")
    told = {key: value for key, value in asdict(options).items() if key not in free}
    told |= {"device": pipe._execution_device.type, "scheduler": dict(pipe.scheduler.config)}
    told |= {"diffusers": diffusers.__version__, "torch": torch.__version__}
    digest.update(json.dumps(told, sort_keys=True, default=str).encode())
    named = (
        options.name,
        options.tiny_vae,
        options.prefix,
        options.verifier,
        options.image_adapter,
        options.image_encoder,
    )
    for place in (*named, *(options.adapters[name] for name in sorted(options.adapters))):
        path = Path(place)
        if place and path.is_dir():
            digest.update(folder_hash(path).encode())
        elif place and path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        else:
            digest.update(place.encode())
    if not Path(options.name).is_dir():
        # A snapshot of the hub lies in a folder that is named by its commit.
        digest.update(Path(str(pipe.config._name_or_path)).name.encode())
    return digest.hexdigest()[:16]


def _equip(pipe: Any, family: Family, options: DiffusionOptions) -> None:
    """Adapters and everything that trades memory, time and exactness."""
    denoiser = getattr(pipe, family.denoiser)
    if options.slice_attention:
        if options.image_adapter:
            raise ConfigError(
                "slice_attention would take the image_adapter out of the attention. Choose one."
            )
        pipe.enable_attention_slicing()
    if options.tile_vae:
        pipe.vae.enable_tiling()
    if options.image_adapter:
        _load_image_adapter(pipe, family, options)
    for name, place in options.adapters.items():
        with _quiet(), _loads(f"The adapter '{name}'", place):
            path = Path(place)
            refuse_missing_folder(place)
            if path.is_file():
                pipe.load_lora_weights(
                    path.parent, weight_name=path.name, adapter_name=name, use_safetensors=True
                )
            else:
                pipe.load_lora_weights(place, adapter_name=name, use_safetensors=True)
    for part in pipe.components.values():
        if callable(getattr(part, "eval", None)):
            part.eval().requires_grad_(requires_grad=False)
    _place(pipe, options)
    cache_steps(pipe, denoiser, options)
    if options.compile != "none":
        denoiser.compile(mode=options.compile)


def _load_image_adapter(pipe: Any, family: Family, options: DiffusionOptions) -> None:
    if not family.image_prompts:
        raise ConfigError(
            f"image_adapter is '{options.image_adapter}', but image prompts of {family.name} are "
            "not read here; SD 1.5 and SDXL take them."
        )
    subfolder, _, file = options.image_adapter_file.rpartition("/")
    if not file.endswith(".safetensors"):
        raise ConfigError(
            f"image_adapter_file is '{options.image_adapter_file}', which may hold code of its "
            "own. Name the .safetensors file of the adapter."
        )
    given: dict[str, str | None] = {"image_encoder_folder": "image_encoder"}
    if options.image_encoder:
        from transformers import CLIPVisionModelWithProjection

        with _quiet(), _loads("The image encoder", options.image_encoder):
            encoder = CLIPVisionModelWithProjection.from_pretrained(
                options.image_encoder, dtype=pipe.dtype, use_safetensors=True
            )
            pipe.register_modules(image_encoder=encoder)
        given = {"image_encoder_folder": None}
    with _quiet(), _loads("The image adapter", options.image_adapter):
        refuse_missing_folder(options.image_adapter)
        pipe.load_ip_adapter(options.image_adapter, subfolder=subfolder, weight_name=file, **given)


def _fit_tiny_vae(pipe: Any, family: Family, options: DiffusionOptions) -> None:
    if not options.tiny_vae:
        return
    denoiser = getattr(pipe, family.denoiser)
    channels = int(denoiser.config.in_channels)
    if family.name == "FLUX":
        # FLUX reads squares of 2 x 2 cells as one token.
        channels //= 4
    if pipe.vae.config.latent_channels != channels:
        raise ConfigError(
            f"The tiny VAE '{options.tiny_vae}' has {pipe.vae.config.latent_channels} latent "
            f"channels, '{options.name}' has {channels}. Take the tiny VAE of {family.name}."
        )


def _place(pipe: Any, options: DiffusionOptions) -> None:
    import torch

    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if options.offload != "none" and device == "cpu":
        LOG.info("offload: %s does nothing without a GPU", options.offload)
    elif options.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
        return
    elif options.offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
        return
    with _loads("The device", device):
        pipe.to(device)


def _dtype(options: DiffusionOptions) -> Any:
    import torch

    if options.dtype != "auto":
        if options.dtype == "bfloat16" and not torch.cuda.is_available() and not cpu_has_bfloat16():
            LOG.warning("this CPU emulates bfloat16, which is slower than float32")
        return getattr(torch, options.dtype)
    on_gpu = options.device != "cpu" and torch.cuda.is_available()
    return torch.bfloat16 if on_gpu else torch.float32


@contextmanager
def _loads(what: str, name: str) -> Iterator[None]:
    """Turns whatever stops a loader into one error that a user can act on."""
    try:
        yield
    except ConfigError:
        raise
    # Hub, network, format, shapes: a user can do the same about each.
    except Exception as error:
        raise ConfigError(
            f"{what} '{name}' could not be loaded: {_reason(error)}. "
            "Name a folder with safetensors as diffusers writes it, or a model of the hub."
        ) from error


def _reason(error: Exception) -> str:
    """What a loader said, in one line without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any(line.startswith("size mismatch") for line in lines):
        return "its numbers are of other shapes than the model's, so it was made for another model"
    return lines[0].rstrip(" .:") if lines else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars that loaders draw."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    drawn: list[Callable[[], None]] = []
    for module in (diffusers_logging, transformers_logging):
        if module.is_progress_bar_enabled():
            drawn.append(module.enable_progress_bar)
            module.disable_progress_bar()
    try:
        yield
    finally:
        for enable in drawn:
            enable()
