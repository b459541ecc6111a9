"""Fully sharded training (FSDP2): each process keeps a share of every weight, gradient and moment.

A copy of the model is sharded and trained; the model itself stays whole, for validation and for
what comes after training, and gets the copy's weights when they are wanted. The same code runs on
CPUs and GPUs. Read from what ``accelerate launch`` says by its environment.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from genrec.errors import ConfigError

_ASKED = "ACCELERATE_USE_FSDP"
_UNKNOWN = {
    "FSDP_ACTIVATION_CHECKPOINTING": "fsdp_activation_checkpointing",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "fsdp_cpu_ram_efficient_loading",
    "FSDP_OFFLOAD_PARAMS": "fsdp_offload_params",
}


@contextmanager
def accelerate_leaves_it() -> Iterator[None]:
    """Keeps accelerate, which shards on GPUs alone, from doing what this module does."""
    asked = os.environ.get(_ASKED)
    if asked is not None:
        os.environ[_ASKED] = "false"
    try:
        yield
    finally:
        if asked is not None:
            os.environ[_ASKED] = asked


def wants_sharding() -> bool:
    """Whether the launcher asked for FSDP2.

    Raises:
        ConfigError: it asked for the first FSDP, or for what is not done here.
    """
    if not says_yes(_ASKED):
        return False
    problems = []
    if os.environ.get("FSDP_VERSION", "1") != "2":
        problems.append("fsdp_version must be 2")
    problems += [f"{option} must be false" for name, option in _UNKNOWN.items() if says_yes(name)]
    if problems:
        raise ConfigError(
            f"The launch configuration does not fit: {'; '.join(problems)}. Start from "
            "recipes/launch/fsdp2.yaml."
        )
    return True


def sharded(learner: nn.Module, device: torch.device, count: int) -> nn.Module:
    """A copy of it whose parameters are spread over all processes, layer by layer.

    Args:
        device: of this process.
        count: of processes.

    Raises:
        ConfigError: it trains single numbers, which cannot be shared out.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if single := [name for name, value in learner.named_parameters() if not value.ndim]:
        raise ConfigError(
            f"This model has parameters of one number each ({', '.join(single)}), which fsdp2.yaml "
            "cannot shard. Take ddp.yaml."
        )
    mine = copy.deepcopy(learner)
    mesh = init_device_mesh(device.type, (count,))
    again = says_yes("FSDP_RESHARD_AFTER_FORWARD", "true")
    for layer in layers_of(mine):
        fully_shard(layer, mesh=mesh, reshard_after_forward=again)
    outer = fully_shard(mine, mesh=mesh)
    # A process whose part of a batch has no whole item, or no text, uses fewer parameters than
    # others, and gradients of unlike sizes cannot be added up.
    outer.set_reduce_scatter_unused_params(reduce_scatter_unused_params=True)
    return mine


def layers_of(learner: nn.Module) -> list[nn.Module]:
    """Blocks that transformers says are not to be split, which are gathered one at a time."""
    names = {
        name
        for part in learner.modules()
        for name in (getattr(part, "_no_split_modules", None) or ())
    }
    return [part for part in learner.modules() if type(part).__name__ in names]


def whole(value: Tensor) -> Tensor:
    """The tensor from all its shares, without gradients; every process must ask for it."""
    if hasattr(value, "ds_id"):
        from deepspeed.runtime.zero import GatheredParameters

        with GatheredParameters([value]):
            return value.detach().clone()
    kept = value.detach()
    return kept.full_tensor() if hasattr(kept, "full_tensor") else kept


def shared_like(value: Tensor, other: Tensor) -> Tensor:
    """This process's share of a whole tensor, if the other one of its shape is shared out."""
    if not hasattr(other, "full_tensor") or value.shape != other.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(other.device), other.device_mesh, other.placements)


def says_yes(name: str, otherwise: str = "false") -> bool:
    """Whether the launcher's environment says so."""
    return os.environ.get(name, otherwise).lower() in ("true", "1", "yes")
