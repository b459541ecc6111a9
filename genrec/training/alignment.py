"""Losses that draw the modalities of one item together. Knows projected vectors and masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from genrec.errors import ConfigError, nearest
from genrec.training.content_options import ALIGNMENTS
from genrec.training.contrastive import info_nce


def contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """InfoNCE in both directions between rows that belong together, a scalar.

    Args:
        first: shape (items, width), length 1.
        second: the same items in the same order.
    """
    own = torch.arange(len(first), device=first.device)
    scale = torch.tensor(1 / temperature, device=first.device)
    there = info_nce(first, second, scale=scale, query_groups=own, key_groups=own)
    back = info_nce(second, first, scale=scale, query_groups=own, key_groups=own)
    return (there + back) / 2


def alignment_loss(
    parts: Tensor,
    present: Tensor,
    pairs: Sequence[tuple[int, int]],
    *,
    kind: str = "info-nce",
    temperature: float = 0.1,
) -> Tensor:
    """The mean over pairs of modalities, a scalar; 0 where no item has both of a pair.

    Args:
        parts: modalities in one space, shape (items, modalities, width).
        present: bool, shape (items, modalities); what is absent takes no part.
        pairs: columns to align.
        kind: ``info-nce`` (an item's picture is told from other items' pictures by its text, and
            the other way round), ``cosine`` (1 minus the cosine) or ``mse`` (of unit vectors).
        temperature: of ``info-nce``.

    Raises:
        ConfigError: there is no such loss.
    """
    if kind not in ALIGNMENTS:
        raise ConfigError(f"There is no alignment '{kind}'; {nearest(kind, ALIGNMENTS)}")
    losses = []
    for first, second in pairs:
        both = present[:, first] & present[:, second]
        # A contrast needs somebody to be told from.
        if kind == "none" or int(both.sum()) < (2 if kind == "info-nce" else 1):
            continue
        one = F.normalize(parts[both, first], dim=-1)
        other = F.normalize(parts[both, second], dim=-1)
        if kind == "info-nce":
            losses.append(contrast(one, other, temperature))
        elif kind == "cosine":
            losses.append((1 - (one * other).sum(dim=-1)).mean())
        else:
            losses.append(F.mse_loss(one, other))
    return torch.stack(losses).mean() if losses else parts.sum() * 0.0
