"""Training rows of a diffusion model: latents, what is said of each, and whose taste it meets.

Knows products as numbers; knows neither the denoiser nor the pictures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrec.diffusion.small import tokens_of
from genrec.training.buckets import BucketBatches
from genrec.training.diffusion_options import ProductDiffusionConfig
from genrec.training.fit import Batch

LEADS = ("a {}", "{}", "{}, product photograph", "photo of a {}", "product photo of a {}")
# As the shipped prompt of a personal picture says it.
LIKES = "{}, product photograph, in the taste of somebody who likes {}"
LIKES_SHARE = 0.3
# Of the logit-normal draw of noise levels, a little to the side of much noise.
MIDDLE, MIDDLE_SPREAD = 0.2, 1.0


@dataclass(frozen=True)
class Described:
    """What is known of a thing that can be drawn.

    Attributes:
        noun: what it is; empty where only the title says so.
        details: its values of the detail fields, empty where it has none.
        title: as it stands in the shop; empty for what is not sold.
    """

    noun: str
    details: tuple[str, ...] = ()
    title: str = ""

    def caption(self, named: Sequence[bool] = ()) -> str:
        """``red mug, dots``: the noun after the first detail, the others behind, those named."""
        told = [value if say else "" for value, say in zip(self.details, named, strict=False)] or [
            ""
        ]
        front = f"{told[0]} {self.noun}".strip()
        return ", ".join([front, *(value for value in told[1:] if value)])

    def all_named_in(self, caption: str) -> bool:
        """Whether a caption that was drawn names all of its details."""
        return bool(self.details) and all(value and value in caption for value in self.details)

    def draw(
        self, generator: np.random.Generator, *, title_share: float, detail_share: float
    ) -> str:
        """A caption for training."""
        if not self.noun or (self.title and generator.random() < title_share):
            return self.title
        named = [bool(generator.random() < detail_share) for _ in self.details]
        if any(named) and generator.random() < LIKES_SHARE:
            liked = [value for value, say in zip(self.details, named, strict=True) if say]
            return LIKES.format(self.noun, ", ".join(liked))
        lead = LEADS[int(generator.integers(len(LEADS)))]
        return lead.format(self.caption(named))


def all_captions(described: Sequence[Described]) -> list[str]:
    """What captions can say, for a tokenizer to learn its words from."""
    said = {one.title for one in described} | {*LEADS, LIKES}
    said |= {one.caption([True] * len(one.details)) for one in described if one.noun}
    return sorted(said - {""})


@dataclass
class Tastes:
    """Draws tastes that a thing meets, as means of item vectors.

    Attributes:
        vectors: of items, shape (items, dims).
        choices: of each thing, for every shopper who chose it, the items that they chose beside it.
        alike: of each thing, items that share its details.
    """

    vectors: np.ndarray
    choices: Mapping[int, Sequence[np.ndarray]]
    alike: Sequence[np.ndarray]

    def draw(
        self, thing: int, generator: np.random.Generator, *, choice_share: float, most: int
    ) -> np.ndarray | None:
        """A taste, shape (dims,); ``None`` if nothing is known that shares it."""
        chosen = self.choices.get(thing, ())
        if len(chosen) and generator.random() < choice_share:
            others = chosen[int(generator.integers(len(chosen)))]
            count = int(generator.integers(1, len(others) + 1))
        else:
            others = self.alike[thing]
            if not len(others):
                return None
            count = int(generator.integers(1, min(most, len(others)) + 1))
        mean: np.ndarray = self.vectors[generator.choice(others, count, replace=False)].mean(0)
        return mean


def other_choices(
    histories: Sequence[np.ndarray], things: Sequence[int]
) -> dict[int, list[np.ndarray]]:
    """Of each thing, what those who chose it chose beside it.

    Args:
        histories: items of each shopper.
        things: the item of each thing; below 0 for what is no item.
    """
    place = {item: thing for thing, item in enumerate(things) if item >= 0}
    found: dict[int, list[np.ndarray]] = defaultdict(list)
    for history in histories:
        own = np.unique(history)
        for item in own:
            if int(item) in place and len(own) > 1:
                found[place[int(item)]].append(own[own != item])
    return dict(found)


def alike_items(
    described: Sequence[Described], items: Sequence[Described], things: Sequence[int]
) -> list[np.ndarray]:
    """Of each thing, the items that share all of its details, itself left out if there are others.

    Args:
        described: the things.
        items: what their tastes may be made of.
        things: the item of each thing; below 0 for what is no item.
    """
    by_details: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        by_details[item.details].append(number)
    found = []
    for one, own in zip(described, things, strict=True):
        alike = [number for number in by_details[one.details] if number != own]
        if not one.details:
            alike = []
        found.append(np.array(alike or ([own] if own >= 0 else []), np.int64))
    return found


@dataclass
class DiffusionRows:
    """Batches of noised latents with prompts and tastes, drawn anew each epoch.

    Every draw depends on the seed, the epoch and the batch's number alone.

    Attributes:
        latents: for each bucket its latents.
        described: of each thing, bucket by bucket.
        tastes: of them.
        tokenizer: of the prompts.
        batches: which rows go together.
        timesteps: of the noise schedule.
    """

    latents: Sequence[Tensor]
    described: Sequence[Described]
    tastes: Tastes
    tokenizer: Any
    options: ProductDiffusionConfig
    batches: BucketBatches
    timesteps: int
    _tokens: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = [len(part) for part in self.latents]
        self._places = np.concatenate([np.arange(count) for count in counts])

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> tuple[int, int]:
        return self.batches[number]

    def set_epoch(self, epoch: int) -> None:
        self.batches.set_epoch(epoch)

    def collate(self, batch: Sequence[tuple[int, int]]) -> Batch:
        """Latents, noise, timesteps, tokens, tastes and how much each taste counts."""
        options = self.options
        rows, generator = self.batches.rows_of(batch[0])
        bucket = int(self.batches.buckets[rows[0]])
        latents = self.latents[bucket][self._places[rows]]
        tokens, tastes, present = [], [], []
        for row in rows.tolist():
            dropped = generator.random()
            no_text = dropped < options.drop_text + options.drop_both
            no_taste = (
                options.drop_text
                <= dropped
                < (options.drop_text + options.drop_both + options.drop_taste)
            )
            said = self.described[row].draw(
                generator, title_share=options.title_share, detail_share=options.detail_share
            )
            taste = self.tastes.draw(
                self._whose(row, said, generator),
                generator,
                choice_share=options.choice_share,
                most=options.alike,
            )
            tokens.append(self._tokens_of("" if no_text else said))
            present.append(0.0 if no_taste or taste is None else 1.0)
            tastes.append(self.tastes.vectors[0] if taste is None else taste)
        noise = generator.standard_normal(latents.shape, np.float32)
        return {
            "latents": latents,
            "noise": torch.from_numpy(noise),
            "timesteps": torch.from_numpy(self.levels(generator, len(rows))),
            "tokens": torch.stack(tokens),
            "tastes": torch.from_numpy(np.stack(tastes).astype(np.float32)),
            "intensity": torch.tensor(present),
        }

    def _whose(self, row: int, said: str, generator: np.random.Generator) -> int:
        """The thing whose taste stands beside a caption: its own, or a stray one."""
        stray = self.options.stray_taste
        if stray and self.described[row].all_named_in(said) and generator.random() < stray:
            return int(generator.integers(len(self.described)))
        return row

    def levels(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Noise levels of so many rows, as numbers of timesteps."""
        levels = generator.integers(0, self.timesteps, count)
        if not self.options.middle_share:
            return levels
        drawn = 1 / (1 + np.exp(-generator.normal(MIDDLE, MIDDLE_SPREAD, count)))
        middle = np.minimum((drawn * self.timesteps).astype(np.int64), self.timesteps - 1)
        return np.where(generator.random(count) < self.options.middle_share, middle, levels)

    def _tokens_of(self, text: str) -> Tensor:
        if text not in self._tokens:
            self._tokens[text] = tokens_of(self.tokenizer, [text])[0]
        return self._tokens[text]
