"""Several vectors of an item -> one: early, intermediate, late, gated and hierarchical fusion.

A modality that an item lacks is masked out of every sum, softmax and attention: what stands in its
place never reaches the output. Knows vectors and masks; nothing of encoders or users.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from genrec.encoders.fusion_options import FusionConfig
from genrec.encoders.modality_vectors import group_of
from genrec.errors import InputError


class Fusion(nn.Module, ABC):
    """One vector for each item from those of its modalities.

    Args:
        dimensions: length of each modality's vectors, by name, in the order of the inputs.
    """

    def __init__(self, dimensions: Mapping[str, int], config: FusionConfig) -> None:
        super().__init__()
        self.names = tuple(dimensions)
        self.settings = config
        # Encoders differ in scale by orders of magnitude; the norm makes them comparable.
        self.projections = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(size), nn.Linear(size, config.width))
            for size in dimensions.values()
        )
        self.norm = nn.LayerNorm(config.width)
        groups = [group_of(name) for name in self.names]
        self.groups = tuple(dict.fromkeys(groups))
        self.group_rows = [[n for n, g in enumerate(groups) if g == one] for one in self.groups]

    def forward(self, inputs: Sequence[Tensor], present: Tensor) -> Tensor:
        """Item vectors, shape (items, width).

        Args:
            inputs: of each modality, shape (items, its dimensions); any value where absent.
            present: bool, shape (items, modalities).

        Raises:
            InputError: an item has no modality; leave it out and keep its mask False.
        """
        empty = ~present.any(dim=1)
        if bool(empty.any()):
            rows = torch.nonzero(empty).flatten().tolist()
            raise InputError(
                f"{len(rows)} items have no modality (the first is row {rows[0]}), so there is "
                "nothing to make a vector of. Leave them out and mark them as missing."
            )
        if self.training and self.settings.modality_dropout:
            present = drop_modalities(present, self.group_rows, self.settings.modality_dropout)
        fused: Tensor = self.norm(self.join(self.project(inputs, present), present))
        return fused

    def project(self, inputs: Sequence[Tensor], present: Tensor) -> Tensor:
        """Each modality in the common space, shape (items, modalities, width), 0 where absent."""
        parts = []
        for column, (layer, values) in enumerate(zip(self.projections, inputs, strict=True)):
            there = present[:, column, None]
            # Chosen before and after: neither garbage nor a bias may come through.
            clean = torch.where(there, values, torch.zeros_like(values))
            parts.append(torch.where(there, layer(clean), 0.0))
        return torch.stack(parts, dim=1)

    @abstractmethod
    def join(self, parts: Tensor, present: Tensor) -> Tensor:
        """Projected modalities -> one vector, shape (items, width), before the last norm."""

    def pairs(self) -> list[tuple[int, int]]:
        """Modalities to align with each other: all pairs but two fields of the same one."""
        return [
            (first, second)
            for first in range(len(self.names))
            for second in range(first + 1, len(self.names))
            if group_of(self.names[first]) != group_of(self.names[second])
        ]


class EarlyFusion(Fusion):
    """All modalities into one network; a learned vector stands where one is absent."""

    def __init__(self, dimensions: Mapping[str, int], config: FusionConfig) -> None:
        super().__init__(dimensions, config)
        self.absent = nn.Parameter(torch.randn(len(self.names), config.width) * 0.02)
        self.network = _network(len(self.names) * config.width, config)

    def join(self, parts: Tensor, present: Tensor) -> Tensor:
        filled = torch.where(present[..., None], parts, self.absent)
        joined: Tensor = self.network(filled.flatten(1))
        return joined


class IntermediateFusion(Fusion):
    """Modalities are tokens that attend to each other; a further token collects the result."""

    def __init__(self, dimensions: Mapping[str, int], config: FusionConfig) -> None:
        super().__init__(dimensions, config)
        self.summary = nn.Parameter(torch.randn(config.width) * 0.02)
        self.kinds = nn.Parameter(torch.randn(len(self.names), config.width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            2 * config.width,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(layer, config.blocks, enable_nested_tensor=False)

    def join(self, parts: Tensor, present: Tensor) -> Tensor:
        tokens = torch.cat([self.summary.expand(len(parts), 1, -1), parts + self.kinds], dim=1)
        absent = torch.cat([present.new_zeros(len(parts), 1), ~present], dim=1)
        mixed: Tensor = self.blocks(tokens, src_key_padding_mask=absent)
        return mixed[:, 0]


class LateFusion(Fusion):
    """Each modality through a network of its own; an average of those present, learned weights."""

    def __init__(self, dimensions: Mapping[str, int], config: FusionConfig) -> None:
        super().__init__(dimensions, config)
        self.networks = nn.ModuleList(_Refined(config) for _ in self.names)
        self.weights = nn.Parameter(torch.zeros(len(self.names)))

    def join(self, parts: Tensor, present: Tensor) -> Tensor:
        made = torch.stack([net(parts[:, n]) for n, net in enumerate(self.networks)], dim=1)
        shares = masked_softmax(self.weights.expand(len(parts), -1), present)
        return (made * shares[..., None]).sum(dim=1)


class GatedFusion(Fusion):
    """A gate that looks at what is present decides how much each modality counts.

    After Arevalo et al. (2017), "Gated multimodal units for information fusion", with a softmax
    over the modalities present in place of independent gates.
    """

    def __init__(self, dimensions: Mapping[str, int], config: FusionConfig) -> None:
        super().__init__(dimensions, config)
        self.networks = nn.ModuleList(_Refined(config) for _ in self.names)
        self.gate = _Gate(len(self.names), config.width)

    def join(self, parts: Tensor, present: Tensor) -> Tensor:
        made = torch.stack([net(parts[:, n]) for n, net in enumerate(self.networks)], dim=1)
        return (made * self.gate(parts, present)[..., None]).sum(dim=1)

    def shares(self, inputs: Sequence[Tensor], present: Tensor) -> Tensor:
        """How much each modality counts for each item, shape (items, modalities), sums to 1."""
        shares: Tensor = self.gate(self.project(inputs, present), present)
        return shares


class HierarchicalFusion(Fusion):
    """Fields are pooled by attention into their modality, then modalities are gated into the item.

    Modalities without fields are passed on as they are. The third level, the sequence of items,
    is the recommender's.
    """

    def __init__(self, dimensions: Mapping[str, int], config: FusionConfig) -> None:
        super().__init__(dimensions, config)
        self.fields = nn.Parameter(torch.randn(len(self.names), config.width) * 0.02)
        self.attention = nn.ModuleList(_Gate(len(rows), config.width) for rows in self.group_rows)
        self.networks = nn.ModuleList(_Refined(config) for _ in self.groups)
        self.gate = _Gate(len(self.groups), config.width)

    def join(self, parts: Tensor, present: Tensor) -> Tensor:
        pooled = []
        for rows, attention, network in zip(
            self.group_rows, self.attention, self.networks, strict=True
        ):
            fields = parts[:, rows] + self.fields[rows] if len(rows) > 1 else parts[:, rows]
            shares = attention(fields, present[:, rows])
            pooled.append(network((fields * shares[..., None]).sum(dim=1)))
        made = torch.stack(pooled, dim=1)
        there = torch.stack([present[:, rows].any(dim=1) for rows in self.group_rows], dim=1)
        return (made * self.gate(made, there)[..., None]).sum(dim=1)


_KINDS: dict[str, type[Fusion]] = {
    "early": EarlyFusion,
    "intermediate": IntermediateFusion,
    "late": LateFusion,
    "gated": GatedFusion,
    "hierarchical": HierarchicalFusion,
}


def build_fusion(dimensions: Mapping[str, int], config: FusionConfig) -> Fusion:
    """The fusion that the options describe, with weights drawn from torch's random state."""
    return _KINDS[config.kind](dimensions, config)


def masked_softmax(logits: Tensor, present: Tensor) -> Tensor:
    """Shares of those present, shape (items, modalities): 0 where absent, 0 all where none is."""
    shares = logits.masked_fill(~present, torch.finfo(logits.dtype).min).softmax(dim=1)
    return torch.where(present, shares, 0.0)


def drop_modalities(present: Tensor, groups: Sequence[Sequence[int]], share: float) -> Tensor:
    """A mask with modalities hidden at random, at least one of those present left to each item.

    Fields of one modality are hidden together and, beyond that, each by itself.

    Args:
        present: bool, shape (items, modalities).
        groups: columns of each modality's fields.
    """
    kept = present.clone()
    for columns in groups:
        together = torch.rand(len(present), 1, device=present.device) >= share
        alone = torch.rand(len(present), len(columns), device=present.device) >= share
        kept[:, columns] &= together & (alone if len(columns) > 1 else together)
    lost = ~kept.any(dim=1)
    draw = torch.rand(present.shape, device=present.device).masked_fill(~present, -1.0)
    spared = torch.zeros_like(present).scatter_(1, draw.argmax(dim=1, keepdim=True), value=True)
    return torch.where(lost[:, None], spared & present, kept)


class _Gate(nn.Module):
    """Shares of the modalities present, from each one and the mean of all of them."""

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.seen = nn.Linear(2 * width, width)
        self.weights = nn.Parameter(torch.zeros(modalities, width))

    def forward(self, parts: Tensor, present: Tensor) -> Tensor:
        there = present[..., None]
        clean = torch.where(there, parts, 0.0)
        mean = clean.sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True).clamp(min=1)
        hidden = torch.tanh(self.seen(torch.cat([clean, mean.expand_as(clean)], dim=-1)))
        return masked_softmax((hidden * self.weights).sum(dim=-1), present)


class _Refined(nn.Module):
    """What a network adds to its input: what the encoder saw stays within reach."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.network = _network(config.width, config)

    def forward(self, values: Tensor) -> Tensor:
        out: Tensor = values + self.network(values)
        return out


def _network(inputs: int, config: FusionConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 2 * config.width),
        nn.GELU(),
        nn.Dropout(config.dropout),
        nn.Linear(2 * config.width, config.width),
    )
