"""What the denoiser is told of each picture of a batch; texts and image prompts encoded once."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrec.diffusion.families import Encoded, Family, encode_texts
from genrec.diffusion.picture import PictureJob
from genrec.diffusion.prefix import ProfilePrefix
from genrec.diffusion.row_adapters import RowAdapters


@dataclass(frozen=True)
class _Text:
    """One text to be encoded; the adapter is named only where it changes the text encoders."""

    text: str
    negative: bool
    adapter: str = ""
    scale: float = 0.0


class Encodings:
    """Encoded texts and image prompts of one model, the latest of them kept.

    Args:
        pipe: diffusers' pipeline.
        keep: entries that are kept.
        batch_size: texts at once.
    """

    def __init__(
        self,
        pipe: Any,
        family: Family,
        prefix: ProfilePrefix | None,
        adapters: RowAdapters,
        *,
        keep: int,
        batch_size: int,
    ) -> None:
        self._pipe, self._family, self._prefix = pipe, family, prefix
        self._adapters, self._keep, self._batch_size = adapters, keep, batch_size
        encoders = [getattr(pipe, f"text_encoder{end}", None) for end in ("", "_2", "_3")]
        self._encoders = [encoder for encoder in encoders if encoder is not None]
        self._reading = adapters.names(self._encoders)
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self.encoded = 0

    def conditions(self, jobs: Sequence[PictureJob], *, guided: bool) -> dict[str, Any]:
        """Arguments of the pipeline for the prompts of a batch, one row each.

        Args:
            guided: with the negative prompts too.
        """
        rows = {"": self._prompts(jobs, negative=False)}
        if guided:
            rows["negative_"] = self._prompts(jobs, negative=True)
        longest = max(len(row.states) for part in rows.values() for row in part)
        given: dict[str, Any] = {}
        for sign, part in rows.items():
            given |= self._stacked(part, sign, longest)
        return given

    def _prompts(self, jobs: Sequence[PictureJob], *, negative: bool) -> list[Encoded]:
        wanted = [self._texts(job, negative=negative) for job in jobs]
        known = self._encode([text for texts in wanted for text in texts])
        rows = []
        for job, texts in zip(jobs, wanted, strict=True):
            row = known[texts[0]]
            if len(texts) > 1:
                row = _between(row, known[texts[1]], job.intensity)
            rows.append(row)
        if self._prefix is not None:
            rows = self._with_prefix(rows, jobs, negative=negative)
        return rows

    def image_prompts(self, jobs: Sequence[PictureJob], *, guided: bool) -> Tensor | None:
        """Vectors of the image prompts of a batch; None where no IP-Adapter reads any.

        Rows with fewer pictures repeat them as often as makes all rows equal: attention over tokens
        that are all there k times is attention over them once. Rows without any have zeros.

        Returns:
            Shape (jobs, pictures, ...), after as many rows for no picture where ``guided``.
        """
        projection = getattr(getattr(self._pipe, "unet", None), "encoder_hid_proj", None)
        if not hasattr(projection, "image_projection_layers"):
            return None
        found = [[self._image(picture) for picture in job.image_prompts] for job in jobs]
        most = math.lcm(*(len(row) or 1 for row in found))
        known = next((pair for row in found for pair in row), None)
        if known is None:
            known = self._image(np.zeros((8, 8, 3), np.uint8))
        nothing = (torch.zeros_like(known[0]), torch.zeros_like(known[1]))
        full = [(row or [nothing]) * (most // (len(row) or 1)) for row in found]
        embeds = [torch.stack([torch.stack([one for one, _ in row]) for row in full])]
        if guided:
            embeds.insert(0, torch.stack([torch.stack([none for _, none in row]) for row in full]))
        return torch.cat(embeds)

    @property
    def hidden(self) -> int:
        """Width of an encoded prompt."""
        text = _Text("", negative=False)
        return int(self._encode([text])[text].states.shape[-1])

    def _texts(self, job: PictureJob, *, negative: bool) -> list[_Text]:
        scale = job.adapter_scale * job.intensity
        adapter = job.adapter if job.adapter in self._reading and scale else ""
        texts = [job.negative] if negative else [job.prompt]
        if not negative and job.personal_prompt and job.intensity:
            texts.append(job.personal_prompt)
        return [_Text(text, negative, adapter, scale if adapter else 0.0) for text in texts]

    def _encode(self, texts: Sequence[_Text]) -> dict[_Text, Encoded]:
        """Each distinct text once, and only those that are not kept from before."""
        found = {text: self._recall(text) for text in dict.fromkeys(texts)}
        new = [text for text, encoded in found.items() if encoded is None]
        # The negative prompt that is left out has a meaning of its own, so it goes alone.
        empty = [text for text in new if text.negative and not text.text]
        for group in (
            [text for text in new if not text.negative],
            [text for text in new if text.negative and text.text],
            *([text] for text in empty),
        ):
            for start in range(0, len(group), self._batch_size):
                part = group[start : start + self._batch_size]
                with self._adapters.rows([t.adapter for t in part], [t.scale for t in part]):
                    encoded = encode_texts(
                        self._pipe,
                        self._family,
                        [text.text for text in part],
                        as_negative=part[0].negative,
                    )
                self.encoded += len(part)
                for text, one in zip(part, encoded, strict=True):
                    found[text] = one
                    self._remember(text, one)
        return {text: encoded for text, encoded in found.items() if encoded is not None}

    def _image(self, pixels: np.ndarray) -> tuple[Tensor, Tensor]:
        """The vector of an image prompt and that of none."""
        from diffusers.models.embeddings import ImageProjection
        from PIL import Image

        key = ("image", pixels.shape, hashlib.sha256(pixels.tobytes()).hexdigest())
        if (kept := self._recall(key)) is None:
            layer = self._pipe.unet.encoder_hid_proj.image_projection_layers[0]
            with_states = not isinstance(layer, ImageProjection)
            some, none = self._pipe.encode_image(
                Image.fromarray(pixels), self._pipe._execution_device, 1, with_states
            )
            kept = (some[0], none[0])
            self.encoded += 1
            self._remember(key, kept)
        return kept

    def _with_prefix(
        self, rows: list[Encoded], jobs: Sequence[PictureJob], *, negative: bool
    ) -> list[Encoded]:
        assert self._prefix is not None
        weight = self._prefix.null
        vectors = np.zeros((len(jobs), self._prefix.config.dims), np.float32)
        intensity = torch.zeros(len(jobs), device=weight.device, dtype=weight.dtype)
        for number, job in enumerate(jobs):
            if job.taste is not None and not negative:
                vectors[number], intensity[number] = job.taste, job.intensity
        tokens = self._prefix(torch.from_numpy(vectors).to(weight), intensity)
        return [append_tokens(row, own) for row, own in zip(rows, tokens, strict=True)]

    def _stacked(self, rows: Sequence[Encoded], sign: str, longest: int) -> dict[str, Any]:
        given = {f"{sign}prompt_embeds": torch.stack([_padded(r.states, longest) for r in rows])}
        if self._family.mask_key:
            masks = [
                row.states.new_ones(len(row.states), dtype=torch.long)
                if row.mask is None
                else row.mask.long()
                for row in rows
            ]
            given[f"{sign}{self._family.mask_key}"] = torch.stack(
                [_padded(mask, longest) for mask in masks]
            )
        if self._family.pooled:
            given[f"{sign}pooled_prompt_embeds"] = torch.stack([row.pooled for row in rows])
        return given

    def _recall(self, key: Hashable) -> Any:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _remember(self, key: Hashable, value: Any) -> None:
        self._kept[key] = value
        while len(self._kept) > self._keep:
            self._kept.popitem(last=False)


def append_tokens(prompt: Encoded, tokens: Tensor) -> Encoded:
    """A prompt with further tokens after its own.

    Args:
        tokens: shape (tokens, hidden).
    """
    states = torch.cat([prompt.states, tokens.to(prompt.states)])
    mask = prompt.mask
    if mask is not None:
        mask = torch.cat([mask, mask.new_ones(len(tokens))])
    return Encoded(states, mask, prompt.pooled)


def _between(plain: Encoded, personal: Encoded, share: float) -> Encoded:
    """On the line between two prompts; where one has tokens that the other lacks, both count."""
    if share == 1:
        return personal
    longest = max(len(plain.states), len(personal.states))
    states = torch.lerp(_padded(plain.states, longest), _padded(personal.states, longest), share)
    pooled = plain.pooled
    if pooled is not None:
        pooled = torch.lerp(pooled, personal.pooled, share)
    masks = [
        _padded(torch.ones(len(one.states)) if one.mask is None else one.mask, longest)
        for one in (plain, personal)
        if one.mask is not None or len(plain.states) != len(personal.states)
    ]
    mask = None if not masks else torch.stack([m.to(states.device) for m in masks]).amax(0)
    return Encoded(states, mask, pooled)


def _padded(rows: Tensor, length: int) -> Tensor:
    if len(rows) == length:
        return rows
    return torch.cat([rows, rows.new_zeros(length - len(rows), *rows.shape[1:])])
