"""DeepSpeed's ZeRO: each process keeps a share of moments and gradients; in stage 3, of weights.

As with FSDP2, a copy of the model is shared out and trained, and the model itself stays whole.
DeepSpeed's own checkpoints are pickles, for as many processes as wrote them. They are not written:
weights and moments are gathered, so that a checkpoint is that of one process, and shared out again.
Read from what ``accelerate launch`` says by its environment.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from genrec.errors import ConfigError
from genrec.training.rows import Batch
from genrec.training.sharding import layers_of, says_yes
from genrec.training.together import Learner

_ASKED = "ACCELERATE_USE_DEEPSPEED"
_STAGES = ("2", "3")
# What must stay as it is, by its name in a launch file.
_FIXED = {
    "ACCELERATE_DEEPSPEED_CONFIG_FILE": ("deepspeed_config_file", ("none",)),
    "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": ("offload_optimizer_device", ("none",)),
    "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": ("offload_param_device", ("none",)),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": ("gradient_accumulation_steps", ("1", "auto")),
    "ACCELERATE_MIXED_PRECISION": ("mixed_precision", ("no",)),
}
_CLIPPING = "ACCELERATE_GRADIENT_CLIPPING"
_MOMENTS = ("exp_avg", "exp_avg_sq")


def wants_zero(max_grad_norm: float) -> bool:
    """Whether the launcher asked for DeepSpeed.

    Args:
        max_grad_norm: of the training; a launch file that clips otherwise does not fit.

    Raises:
        ConfigError: deepspeed is not installed, or it is to do what is not done here.
    """
    if not says_yes(_ASKED):
        return False
    if problems := problems_of_launch(max_grad_norm):
        raise ConfigError(
            f"The launch configuration does not fit: {'; '.join(problems)}. Start from "
            "recipes/launch/deepspeed-zero2.yaml or deepspeed-zero3.yaml."
        )
    if find_spec("deepspeed") is None:
        raise ConfigError(
            "This run was launched with DeepSpeed, and the package 'deepspeed' is not installed. "
            "Install it: pip install deepspeed; or launch with ddp.yaml or fsdp2.yaml."
        )
    return True


def problems_of_launch(max_grad_norm: float) -> list[str]:
    """What a launch with DeepSpeed asks for and is not done here."""
    said = os.environ
    problems = []
    if said.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2") not in _STAGES:
        problems.append("zero_stage must be 2 or 3")
    for name, (option, fitting) in _FIXED.items():
        if said.get(name, fitting[0]).lower() not in fitting:
            problems.append(f"{option} must be {fitting[0]}")
    clipping = said.get(_CLIPPING, "auto")
    if clipping not in ("auto", str(float(max_grad_norm))):
        problems.append(
            f"gradient_clipping is {clipping} and train.max_grad_norm {max_grad_norm}: leave the "
            "first away"
        )
    return problems


@contextmanager
def left_alone() -> Iterator[None]:
    """Keeps accelerate from sharing out what a single process trains."""
    asked = os.environ.pop(_ASKED, None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ[_ASKED] = asked


@contextmanager
def quiet() -> Iterator[None]:
    """What DeepSpeed prints goes to stderr: stdout has the results."""
    with redirect_stdout(sys.stderr):
        yield


def forget() -> None:
    """Ends transformers' belief that models are to be loaded in shares."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()


def shared_out(learner: nn.Module) -> Learner:
    """A copy of a learner that DeepSpeed can share out when training begins."""
    copied: Any = copy.deepcopy(learner)
    return AllUsed(copied.model, copied.loss)


class AllUsed(Learner):
    """A learner with all that trains in its loss, if only times zero.

    A process whose part of a batch has no whole item, or no text, would have fewer gradients than
    others, and DeepSpeed adds up what it finds in each.
    """

    def at_hand(self) -> list[nn.Parameter]:
        """What is whole all through a step; in stage 3, layers are only while they compute."""
        inside = {id(value) for layer in layers_of(self) for value in layer.parameters()}
        return [p for p in self.parameters() if not hasattr(p, "ds_id") or id(p) not in inside]

    def forward(self, batch: Batch, *, half: torch.dtype | None = None) -> Tensor:
        value = super().forward(batch, half=half)
        return value + 0 * sum(p.sum() for p in self.at_hand() if p.requires_grad)

    def share_whole(self) -> None:
        """Has stage 3 gather what is in no layer for the whole of a step.

        A loss asks for embeddings by themselves, and DeepSpeed gathers for ``forward`` alone.
        """
        from deepspeed.runtime.zero.partition_parameters import register_external_parameter

        for parameter in self.at_hand():
            if hasattr(parameter, "ds_id"):
                register_external_parameter(self, parameter)


class Moments:
    """DeepSpeed's optimiser, as the same optimiser of one process, for ``save_optimizer``.

    Args:
        zero: of DeepSpeed, around torch's own.
        groups: parameters of each of its groups, as they were before DeepSpeed made them flat.
    """

    def __init__(self, zero: Any, groups: list[list[nn.Parameter]]) -> None:
        self.zero, self.groups = zero, groups
        self.param_groups = [{"params": group} for group in groups]

    def state_dict(self) -> dict[str, Any]:
        """Whole moments on the CPU; every process must ask for them."""
        from deepspeed.utils import safe_get_full_optimizer_state

        parameters = [parameter for group in self.groups for parameter in group]
        steps = self._flat_states()[0]["step"]
        state = {
            index: {
                "step": steps.detach().cpu().clone(),
                **{name: safe_get_full_optimizer_state(p, name).cpu() for name in _MOMENTS},
            }
            for index, p in enumerate(parameters)
        }
        described, first = [], 0
        for group, options in zip(self.groups, self.zero.optimizer.param_groups, strict=True):
            kept = {name: value for name, value in options.items() if name != "params"}
            described.append({**kept, "params": list(range(first, first + len(group)))})
            first += len(group)
        return {"state": state, "param_groups": described}

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Shares out what ``state_dict`` gathered."""
        own = self.zero.optimizer.param_groups
        for options, kept in zip(own, stored["param_groups"], strict=True):
            options.update({name: value for name, value in kept.items() if name != "params"})
        parameters = [parameter for group in self.groups for parameter in group]
        slots = stored["state"]
        step = next(slot["step"] for slot in slots.values())
        for state in self._flat_states():
            state["step"].copy_(step)
        # In one process, what was in no loss so far has no moments.
        for index, parameter in enumerate(parameters):
            for name in _MOMENTS if index in slots else ():
                _share(slots[index][name], parameter, name)

    def _flat_states(self) -> list[dict[str, Tensor]]:
        """Step and moments of each flat tensor; made where there was no step yet."""
        inner = self.zero.optimizer
        if in_stage_3 := hasattr(self.zero, "fp32_partitioned_groups_flat"):
            flat = self.zero.fp32_partitioned_groups_flat
        else:
            flat = self.zero.single_partition_of_fp32_groups
        fused = any(group.get("fused") for group in inner.param_groups)
        for value in flat:
            if not inner.state[value]:
                place = value.device if fused else torch.device("cpu")
                moments = {name: torch.zeros_like(value) for name in _MOMENTS}
                inner.state[value] = {"step": torch.zeros((), device=place), **moments}
        if not in_stage_3:
            from deepspeed.utils import lazy_init_hp_params_optimizer_state

            # DeepSpeed does so after the step of the first group, when others have no moments.
            for parameters, value in zip(self.zero.bit16_groups, flat, strict=True):
                lazy_init_hp_params_optimizer_state(parameters, value, inner.state)
        return [inner.state[value] for value in flat]


def _share(value: Tensor, parameter: nn.Parameter, name: str) -> None:
    """Puts a whole moment into this process's share of a parameter's."""
    from deepspeed.utils import safe_set_full_optimizer_state, safe_set_local_optimizer_state

    if not hasattr(parameter, "ds_id"):
        safe_set_full_optimizer_state(parameter, value, name)
        return
    # Shares are alike, so the last may be longer than what is left; DeepSpeed cuts without heed.
    shares, own = torch.distributed.get_world_size(), torch.distributed.get_rank()
    size = -(-value.numel() // shares)
    padded = nn.functional.pad(value.flatten(), (0, size * shares - value.numel()))
    safe_set_local_optimizer_state(parameter, padded[own * size : (own + 1) * size], name)
