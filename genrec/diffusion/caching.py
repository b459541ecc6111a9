"""What a transformer's step takes over from the step before, by diffusers' own caches."""

from __future__ import annotations

from typing import Any

from genrec.diffusion.options import DiffusionOptions
from genrec.errors import ConfigError


def cache_steps(pipe: Any, denoiser: Any, options: DiffusionOptions) -> None:
    """Turns the chosen cache on.

    Raises:
        ConfigError: the denoiser has none, as every UNet.
    """
    if options.cache == "none":
        return
    import diffusers

    if not hasattr(denoiser, "enable_cache"):
        raise ConfigError(
            f"cache is '{options.cache}', but a {type(denoiser).__name__} has no such cache; "
            "transformers (SD3, FLUX, Qwen-Image) have. Take cache: none."
        )
    if options.cache == "first-block":
        config = diffusers.FirstBlockCacheConfig(threshold=options.cache_threshold)
    elif options.cache == "taylorseer":
        config = diffusers.TaylorSeerCacheConfig()
    else:
        config = diffusers.PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=2,
            current_timestep_callback=lambda: int(pipe._current_timestep),
        )
    denoiser.enable_cache(config)
