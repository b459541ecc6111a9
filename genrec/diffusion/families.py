"""What differs between families of diffusion models: prompts, guidance, sizes, modes.

A family is found by the class that the model's folder names. All else, the painter does alike.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from genrec.errors import ConfigError

PAIRED, TWICE, INPUT = "paired", "twice", "input"


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        name: as people say it.
        denoiser: attribute of the pipeline.
        guidance: ``paired`` (both prompts in one forward pass), ``twice`` (one pass each) or
            ``input`` (distilled: a number that the model is given).
        guidance_key: the argument of the pipeline that turns it on; empty where it is an input.
        mask_key: the argument that says which tokens of the prompt are real; empty: all are.
        pooled: whether there is one more vector for the whole prompt.
        granularity: sizes are multiples of this many cells of the latent picture.
        image_prompts: whether IP-Adapters are read.
    """

    name: str
    denoiser: str
    guidance: str
    guidance_key: str
    mask_key: str = ""
    pooled: bool = False
    granularity: int = 1
    image_prompts: bool = False


@dataclass(frozen=True, eq=False)
class Encoded:
    """A prompt as the denoiser reads it.

    Attributes:
        states: shape (tokens, hidden).
        mask: shape (tokens,), 1 for real tokens; None where all are.
        pooled: shape (width,), or None.
    """

    states: Any
    mask: Any = None
    pooled: Any = None


_FAMILIES = {
    "StableDiffusionPipeline": Family(
        "SD 1.5", "unet", PAIRED, "guidance_scale", image_prompts=True
    ),
    "StableDiffusionXLPipeline": Family(
        "SDXL", "unet", PAIRED, "guidance_scale", pooled=True, image_prompts=True
    ),
    "StableDiffusion3Pipeline": Family(
        "SD3", "transformer", PAIRED, "guidance_scale", pooled=True, granularity=2
    ),
    "FluxPipeline": Family("FLUX", "transformer", INPUT, "", pooled=True, granularity=2),
    "QwenImagePipeline": Family(
        "Qwen-Image",
        "transformer",
        TWICE,
        "true_cfg_scale",
        mask_key="prompt_embeds_mask",
        granularity=2,
    ),
    "SanaPipeline": Family(
        "Sana", "transformer", PAIRED, "guidance_scale", mask_key="prompt_attention_mask"
    ),
}


def family_of(pipeline: str, model: str) -> Family:
    """The family of a model.

    Args:
        pipeline: name of the class that its folder names.

    Raises:
        ConfigError: it is none of those that are known here.
    """
    if pipeline not in _FAMILIES:
        known = ", ".join(f"{family.name} ({name})" for name, family in _FAMILIES.items())
        raise ConfigError(
            f"'{model}' is a {pipeline}; pictures are painted by {known}. Name a model of these."
        )
    return _FAMILIES[pipeline]


def side_multiple(pipe: Any, family: Family) -> int:
    """Widths and heights are multiples of this many pixels."""
    if family.name == "Sana":
        # Asked for by the pipeline, whatever its VAE.
        return 32
    cells = family.granularity
    if family.name == "SD3":
        cells = int(pipe.transformer.config.patch_size)
    return int(pipe.vae_scale_factor) * cells


def own_side(pipe: Any, family: Family) -> int:
    """The side length in pixels that the model was made for."""
    size = getattr(getattr(pipe, family.denoiser).config, "sample_size", None)
    if size is None:
        size = pipe.default_sample_size
    size = max(size) if isinstance(size, (list, tuple)) else size
    return int(size) * int(pipe.vae_scale_factor)


def encode_texts(pipe: Any, family: Family, texts: Sequence[str], *, as_negative: bool) -> Any:
    """What the denoiser reads of each text.

    Args:
        as_negative: as the negative prompt, which some models encode in another way; an empty one
            is what the pipeline takes where none is given.

    Returns:
        An ``Encoded`` each.
    """
    asked = inspect.signature(pipe.encode_prompt).parameters
    # Lengths and instructions as the pipeline's call has them, not as its encoder's defaults say.
    called = inspect.signature(pipe.__call__).parameters
    shared = ("max_sequence_length", "complex_human_instruction", "clean_caption")
    given = {name: called[name].default for name in shared if name in asked and name in called}
    given |= {"prompt": list(texts), "device": pipe._execution_device, "num_images_per_prompt": 1}
    given |= {name: None for name in ("prompt_2", "prompt_3") if name in asked}
    if as_negative and family.guidance == PAIRED:
        if any(texts):
            given["negative_prompt"] = list(texts)
        given["do_classifier_free_guidance"] = True
    elif as_negative:
        # An empty text has no token at all in a chat template's slot: the model's own default.
        given["prompt"] = [text or " " for text in texts]
    elif "do_classifier_free_guidance" in asked:
        given["do_classifier_free_guidance"] = False
    return _rows(family, pipe.encode_prompt(**given), len(texts), as_negative=as_negative)


def _rows(family: Family, found: tuple[Any, ...], count: int, *, as_negative: bool) -> Any:
    negative = as_negative and family.guidance == PAIRED
    states, mask, pooled = found[1] if negative else found[0], None, None
    if family.mask_key:
        # Qwen-Image: (states, mask); Sana: (states, mask, negative states, negative mask).
        states, mask = (found[2], found[3]) if negative else (found[0], found[1])
    elif family.pooled:
        # SDXL, SD3: (states, negative, pooled, negative pooled); FLUX: (states, pooled, ids).
        pooled = found[1] if family.guidance == INPUT else found[3 if negative else 2]
    rows = []
    for row in range(count):
        own, real = states[row], None
        if mask is not None:
            # What a text was encoded beside must not show in where further tokens come to lie.
            real = mask[row]
            length = int(real.nonzero().max()) + 1 if real.any() else len(real)
            own, real = own[:length], real[:length]
        rows.append(Encoded(own, real, None if pooled is None else pooled[row]))
    return rows
