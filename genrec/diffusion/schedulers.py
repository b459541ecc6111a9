"""Schedulers by name: the few-step ones that distilled models want, and the classics."""

from __future__ import annotations

from typing import Any

from genrec.diffusion.options import OWN
from genrec.errors import ConfigError

# Class of diffusers, and what its settings become beside those that the model was saved with.
_NAMED: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "ddpm": ("DDPMScheduler", {"timestep_spacing": "trailing"}),
    "dpm++": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    "dpm++-sde": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", {}),
    # SDXL-Turbo and Lightning were distilled at the last step of each stretch.
    "euler-trailing": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "flow-euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow-lcm": ("FlowMatchLCMScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {"timestep_spacing": "trailing"}),
}


def scheduler_by_name(name: str, own: Any) -> Any:
    """A scheduler with the noise that the model was trained with.

    Args:
        name: one of ``options.SCHEDULERS``.
        own: the scheduler that the model was saved with.

    Raises:
        ConfigError: it is for models of the other kind, of flow matching or of noise.
    """
    import diffusers

    if name == OWN:
        return own
    matches_flow = "FlowMatch" in type(own).__name__
    if name.startswith("flow-") != matches_flow:
        kind = "flow matching" if matches_flow else "predicting noise"
        fitting = [key for key in _NAMED if key.startswith("flow-") == matches_flow]
        raise ConfigError(
            f"The scheduler '{name}' does not fit a model of {kind} ({type(own).__name__}); "
            f"choose {OWN}, {', '.join(fitting)}."
        )
    kind, settings = _NAMED[name]
    return getattr(diffusers, kind).from_config(own.config, **settings)
