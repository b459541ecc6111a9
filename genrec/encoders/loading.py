"""Pretrained models of transformers by hub name or folder, for encoders."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genrec.errors import ConfigError, MissingExtra


def need(purpose: str, *packages: tuple[str, str, str]) -> None:
    """Checks that packages are installed, given as (module, package, extra).

    Raises:
        MissingExtra: one is not.
    """
    for module, package, extra in packages:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(package, extra, purpose)


def refuse_missing_folder(name: str) -> None:
    """Checks that what can only be a path is there, before a hub takes it for one of its names.

    ``a/b`` may be a name of the hub; what starts like a path, or goes on like one, is none.

    Raises:
        FileNotFoundError: it is not; the message completes "could not be loaded: ".
    """
    path_like = name.startswith((".", "/", "~")) or name.count("/") > 1
    if path_like and not Path(name).exists():
        raise FileNotFoundError(f"there is no {name}.")


def load_pretrained(auto: Any, name: str, what: str, **options: Any) -> Any:
    """``auto.from_pretrained(name)`` without running code that comes with the model.

    Weights are read from safetensors alone.

    Args:
        auto: an Auto class of transformers.
        what: for the message: "The image encoder".

    Raises:
        ConfigError: it cannot be loaded, for whatever reason.
    """
    from transformers.utils import logging as hf_logging

    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        refuse_missing_folder(name)
        if hasattr(auto, "from_config") or hasattr(auto, "_from_config"):
            # It has weights, and a pickle of them could run code of its own.
            options["use_safetensors"] = True
        return auto.from_pretrained(name, trust_remote_code=False, **options)
    # Hub, network, format, code: whatever stands in the way, a user can do the same about it.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"{what} '{name}' could not be loaded: {reason} Name a local folder or a model of the "
            "hub."
        ) from error
    finally:
        if bars:
            hf_logging.enable_progress_bar()


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies in bfloat16."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def folder_hash(folder: Path) -> str:
    """A hash of a model folder's weights and settings."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".json", ".txt", ".model") and path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def model_facts(name: str) -> str:
    """A local model's content, since its name alone does not tell it; of the hub's the name."""
    folder = Path(name)
    return folder_hash(folder) if folder.is_dir() else name


def weights_hash(tensors: Mapping[str, Any]) -> str:
    """A hash of weights by name, since a name on the hub can change its content."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()
