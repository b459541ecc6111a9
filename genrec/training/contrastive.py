"""Contrastive losses of two modalities, a queue of past keys, and large batches in little memory.

Knows vectors and which of them mean the same; knows nothing of pictures, texts or items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint


def info_nce(
    queries: Tensor,
    keys: Tensor,
    *,
    scale: Tensor,
    query_groups: Tensor,
    key_groups: Tensor,
    smoothing: float = 0.0,
) -> Tensor:
    """Mean cross-entropy of each query over all keys; its target is the key in its own row.

    Keys of the query's group other than its own (the same title twice in a batch) are no negatives
    and take no part. Symmetric use calls it in both directions. The loss of CPC (van den Oord et
    al., 2018, arXiv:1807.03748) with a learned scale as in CLIP (Radford et al., 2021).

    Args:
        queries: shape (queries, dimensions), length 1.
        keys: shape (keys, dimensions), length 1; the first rows belong to the queries, further
            ones, such as those of a queue, are negatives only.
        scale: factor of the cosines, the inverse temperature.
        query_groups: shape (queries,); what means the same has the same number.
        key_groups: shape (keys,).
        smoothing: probability mass that is spread evenly over all other keys.
    """
    rows = torch.arange(len(queries), device=queries.device)
    logits = scale * queries @ keys.T
    alike = query_groups[:, None] == key_groups[None, :]
    alike[rows, rows] = False
    logits = logits.masked_fill(alike, float("-inf"))
    log_probabilities = functional.log_softmax(logits, dim=1)
    loss = -log_probabilities[rows, rows].mean()
    if not smoothing:
        return loss
    others = ~alike
    others[rows, rows] = False
    even = -log_probabilities.masked_fill(~others, 0.0).sum(1) / others.sum(1).clamp(min=1)
    return (1 - smoothing) * loss + smoothing * even.mean()


def sigmoid_loss(
    queries: Tensor,
    keys: Tensor,
    *,
    scale: Tensor,
    bias: Tensor,
    query_groups: Tensor,
    key_groups: Tensor,
) -> Tensor:
    """Each pair judged alone, match or not; summed over keys, mean over queries.

    The loss of SigLIP (Zhai et al., 2023, arXiv:2303.15343). Pairs of one group other than the
    own one take no part.

    Args:
        queries: as of ``info_nce``, like ``keys``, ``scale`` and the groups.
        bias: added to each logit; starts low, since most pairs do not match.
    """
    rows = torch.arange(len(queries), device=queries.device)
    logits = scale * queries @ keys.T + bias
    alike = query_groups[:, None] == key_groups[None, :]
    alike[rows, rows] = False
    signs = torch.full_like(logits, -1.0)
    signs[rows, rows] = 1.0
    losses = -functional.logsigmoid(signs * logits).masked_fill(alike, 0.0)
    return losses.sum(1).mean()


class MemoryQueue(nn.Module):
    """Keys of past batches, as further negatives (MoCo; He et al., 2020, arXiv:1911.05722).

    Its content belongs to a training checkpoint, so that a resumed run goes on with it.

    Args:
        size: keys that are kept; the oldest leave first.
        dimensions: of a key.
    """

    checkpointed = True
    keys: Tensor
    groups: Tensor
    filled: Tensor

    def __init__(self, size: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(size, dimensions))
        self.register_buffer("groups", torch.zeros(size, dtype=torch.long))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return int(self.filled)

    def with_past(self, keys: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
        """These keys and groups, those of the past behind them."""
        past = len(self)
        # Copies: the queue may move on before the loss has been differentiated.
        return (
            torch.cat([keys, self.keys[:past].clone().to(keys.dtype)]),
            torch.cat([groups, self.groups[:past].clone()]),
        )

    @torch.no_grad()
    def push(self, keys: Tensor, groups: Tensor) -> None:
        """Puts the newest keys in front; gradients do not reach them."""
        size = len(self.keys)
        keys, groups = keys.detach()[:size].to(self.keys.dtype), groups[:size]
        kept = min(len(self), size - len(keys))
        self.keys[: len(keys) + kept] = torch.cat([keys, self.keys[:kept]])
        self.groups[: len(keys) + kept] = torch.cat([groups, self.groups[:kept]])
        self.filled.fill_(len(keys) + kept)


class MomentumCopy(nn.Module):
    """A slow copy of a model: an exponential mean of its weights, without gradients.

    It makes the keys of a queue, which then change little between batches, or is itself the model
    that is kept at the end. Its weights belong to a training checkpoint.

    Args:
        model: what is followed.
        momentum: share of the old weights that stays at each ``follow``.
    """

    checkpointed = True

    def __init__(self, model: nn.Module, momentum: float) -> None:
        super().__init__()
        import copy

        self.model = copy.deepcopy(model).requires_grad_(requires_grad=False)
        self.momentum = momentum

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """A step towards the model's weights."""
        for own, theirs in zip(self.model.parameters(), model.parameters(), strict=True):
            own.lerp_(theirs.detach().to(own.dtype), 1 - self.momentum)

    def forward(self, *args: object, **kwargs: object) -> object:
        return self.model(*args, **kwargs)


def encode_in_chunks(
    encode: Callable[..., Tensor], inputs: Sequence[Tensor], *, chunk: int
) -> Tensor:
    """``encode(*inputs)`` with the memory of one chunk, for losses over a large batch.

    The vectors of all chunks are computed without keeping what lies between; when the loss is
    differentiated, each chunk is computed a second time and its gradients are added up. Gradients
    are those of the whole batch, for one more forward pass: the gradient cache of Gao et al.
    (2021, arXiv:2101.06983), here as checkpointing by rows. Dropout draws the same both times.

    Args:
        inputs: tensors whose first dimension is the batch.
        chunk: rows at a time; 0 takes all at once and computes nothing twice.
    """
    if not chunk or len(inputs[0]) <= chunk:
        return encode(*inputs)
    parts = zip(*(tensor.split(chunk) for tensor in inputs), strict=True)
    return torch.cat([checkpoint(encode, *part, use_reentrant=False) for part in parts])
