"""Pictures that a model makes move: LTX, Wan, Stable Video Diffusion and AnimateDiff by name.

diffusers' own pipelines do it, each with the frames and sizes that it can. AnimateDiff has no
picture to start from, so it changes the film of the moved picture. Knows nothing of products: its
frames are looked at by whoever asked for them.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from genrec.creatives.film.motion import WHOLE, Move, moved
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.scenes import Scene
from genrec.encoders.loading import folder_hash
from genrec.errors import ConfigError, MissingExtra

# No model was trained on larger pictures than this many pixels a side, nor needs them.
_SIDE = 768


@dataclass(frozen=True)
class Kind:
    """One family of models.

    Attributes:
        pipeline: class of diffusers that starts from a picture or a film.
        multiple: that sides must be of.
        step: frames come in multiples of it, and one more.
        most: frames at once.
        changes_film: it takes a film instead of a picture.
    """

    pipeline: str
    multiple: int
    step: int
    most: int
    changes_film: bool = False


KINDS = {
    "LTX": Kind("LTXImageToVideoPipeline", 32, 8, 161),
    "Wan": Kind("WanImageToVideoPipeline", 16, 4, 81),
    "StableVideoDiffusion": Kind("StableVideoDiffusionPipeline", 64, 1, 25),
    "AnimateDiff": Kind("AnimateDiffVideoToVideoPipeline", 8, 1, 16, changes_film=True),
}


class VideoModel:
    """A model that animates scenes."""

    def __init__(self, pipe: Any, kind: Kind, options: FilmOptions) -> None:
        self.pipe, self.kind, self.options = pipe, kind, options

    @staticmethod
    def load(options: FilmOptions) -> VideoModel:
        """The model that the options name, a hub name or a folder.

        Raises:
            ConfigError: it cannot be loaded, or is of no known family.
            MissingExtra: diffusers is not installed.
        """
        try:
            import diffusers
            import torch
        except ModuleNotFoundError as error:
            raise MissingExtra("diffusers", "diffusion", "Films from a model") from error
        name = options.model
        try:
            made = str(diffusers.DiffusionPipeline.load_config(name).get("_class_name", ""))
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"The film model '{name}' cannot be loaded: {reason}") from error
        kind = next((kind for start, kind in KINDS.items() if made.startswith(start)), None)
        if kind is None:
            raise ConfigError(
                f"The film model '{name}' is a {made or 'folder without model_index.json'}; films "
                f"are made by {', '.join(KINDS)}."
            )
        dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        try:
            pipe = getattr(diffusers, kind.pipeline).from_pretrained(
                name, dtype=dtype, use_safetensors=True
            )
        except (OSError, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"The film model '{name}' cannot be loaded: {reason}") from error
        pipe.set_progress_bar_config(disable=True)
        return VideoModel(pipe.to("cuda" if torch.cuda.is_available() else "cpu"), kind, options)

    @property
    def name(self) -> str:
        """The last part of its name, not a path of this machine."""
        return self.options.model.rstrip("/").rsplit("/", 1)[-1]

    @property
    def identity(self) -> dict[str, str]:
        """All that its frames depend on beside the scene."""
        folder = Path(self.options.model)
        return {
            "model": folder_hash(folder) if folder.is_dir() else self.options.model,
            "pipeline": self.kind.pipeline,
            "diffusers": metadata.version("diffusers"),
        }

    def animate(self, scene: Scene, *, frames: int, seed: int) -> list[np.ndarray]:
        """So many frames, each of the shape of the scene's picture, uint8.

        A model that makes fewer holds each of them longer.
        """
        import torch
        from PIL import Image

        height, width = scene.picture.shape[:2]
        size = self._size(width, height)
        count = self._frames(frames)
        picture = Image.fromarray(scene.picture).resize(size, Image.Resampling.LANCZOS)
        given: dict[str, Any] = {
            "prompt": scene.shot.prompt,
            "negative_prompt": "distorted, changing product, text",
            "width": size[0],
            "height": size[1],
            "num_inference_steps": self.options.steps,
            "strength": self.options.strength,
            "num_frames": count,
            "decode_chunk_size": 4,
            # On the CPU, so that a seed means the same noise on every machine.
            "generator": torch.Generator("cpu").manual_seed(seed % 2**63),
            "output_type": "np",
        }
        if self.kind.changes_film:
            # So few steps that none is left would give nothing at all.
            given["strength"] = max(self.options.strength, 1 / self.options.steps)
            film = moved(scene.picture, scene.shot.move, size=size, frames=count)
            given["video"] = [Image.fromarray(frame) for frame in film]
        else:
            given["image"] = picture
        takes = inspect.signature(self.pipe.__call__).parameters
        with torch.inference_mode():
            made = self.pipe(**{name: one for name, one in given.items() if name in takes})
        found = np.nan_to_num(np.asarray(made.frames[0], np.float32)).clip(0, 1)
        pixels = (found * 255).round().astype(np.uint8)
        held = np.minimum(np.arange(frames) * len(pixels) // max(frames, 1), len(pixels) - 1)
        still = Move(WHOLE, WHOLE)
        full = [next(moved(one, still, size=(width, height), frames=1)) for one in pixels]
        return [full[number] for number in held]

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that the model can make, about those of the picture."""
        share = min(1.0, _SIDE / max(width, height)) / self.kind.multiple
        wide, tall = (max(round(one * share), 1) * self.kind.multiple for one in (width, height))
        return wide, tall

    def _frames(self, wanted: int) -> int:
        """The most frames that the model can make, not more than are wanted if it can be."""
        trained = getattr(getattr(self.pipe, "unet", None), "config", {})
        most = min(wanted, int(getattr(trained, "num_frames", None) or self.kind.most))
        if self.kind.step == 1:
            return max(most, 2)
        return max((most - 1) // self.kind.step, 1) * self.kind.step + 1
