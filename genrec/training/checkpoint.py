"""Checkpoints as safetensors and JSON, sealed last: a kill never leaves a half one in use."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genrec.errors import ArtefactError
from genrec.training.sharding import shared_like, whole

log = logging.getLogger(__name__)

SEAL = "sealed.json"


def trained_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that train, by name; tied ones once.

    All tensors of a part with a true attribute ``checkpointed`` belong to them, trained or not.
    """
    tensors: dict[str, Tensor] = {n: p for n, p in model.named_parameters() if p.requires_grad}
    for place, part in model.named_modules():
        if getattr(part, "checkpointed", False):
            prefix = f"{place}." if place else ""
            tensors |= {
                f"{prefix}{name}": value for name, value in part.state_dict(keep_vars=True).items()
            }
    return tensors


def whole_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What trains, by name, on the CPU; of a sharded model every process must ask for it."""
    tensors = trained_tensors(model)
    return {name: whole(p).cpu().contiguous() for name, p in tensors.items()}


def save_weights(model: nn.Module, path: Path) -> None:
    """Writes what trains, atomically."""
    write_tensors(whole_tensors(model), path)


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Writes tensors, atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, temporary)
    os.replace(temporary, path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Reads what ``save_weights`` wrote into the same model.

    Raises:
        ArtefactError: the file is missing, damaged or of another model.
    """
    try:
        stored = load_file(path)
    except Exception as error:
        raise ArtefactError(
            f"{path} cannot be read ({error}). Delete it and train again."
        ) from error
    if stored.keys() != trained_tensors(model).keys():
        raise ArtefactError(f"{path} holds the weights of another model. Train into a new folder.")
    put_tensors(model, stored)


def put_tensors(model: nn.Module, stored: dict[str, Tensor]) -> None:
    """Puts whole tensors into what trains."""
    with torch.no_grad():
        for name, parameter in trained_tensors(model).items():
            parameter.copy_(shared_like(stored[name], parameter))


def save_optimizer(optimizer: Any, scheduler: Any, folder: Path, *, writes: bool = True) -> None:
    """Optimiser moments as safetensors, everything else as JSON.

    Args:
        writes: whether this process does; sharded moments are gathered from all of them.
    """
    state = optimizer.state_dict()
    tensors, scalars = {}, {}
    for index, slots in state["state"].items():
        for name, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = whole(value).cpu().contiguous()
            else:
                scalars[f"{index}.{name}"] = value
    if not writes:
        return
    save_file(tensors, folder / "optimizer.safetensors")
    described = {
        "groups": state["param_groups"],
        "scalars": scalars,
        "scheduler": scheduler.state_dict(),
    }
    (folder / "optimizer.json").write_text(json.dumps(described))


def load_optimizer(optimizer: Any, scheduler: Any, folder: Path) -> None:
    """Puts back what ``save_optimizer`` wrote."""
    described = json.loads((folder / "optimizer.json").read_text())
    values: dict[str, Any] = dict(load_file(folder / "optimizer.safetensors"))
    values.update(described["scalars"])
    slots: dict[int, dict[str, Any]] = {}
    for key, value in values.items():
        index, _, name = key.partition(".")
        slots.setdefault(int(index), {})[name] = value
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, slot in slots.items():
        for name, value in slot.items():
            if isinstance(value, Tensor):
                slot[name] = shared_like(value, trained[number])
    optimizer.load_state_dict({"state": slots, "param_groups": described["groups"]})
    scheduler.load_state_dict(described["scheduler"])


def save_scaler(scaler: Any, folder: Path) -> None:
    """How far losses are scaled up in 16 bits, as JSON."""
    (folder / "scaler.json").write_text(json.dumps(scaler.state_dict()))


def load_scaler(scaler: Any, folder: Path) -> None:
    """Puts back what ``save_scaler`` wrote."""
    scaler.load_state_dict(json.loads((folder / "scaler.json").read_text()))


def save_random_state(folder: Path, process: int) -> None:
    """The states of torch's, numpy's and Python's generators in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    save_file(tensors, folder / f"random_{process}.safetensors")
    algorithm, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    others = {
        "python": random.getstate(),
        "numpy": [algorithm, np.asarray(keys).tolist(), position, has_gauss, cached],
    }
    (folder / f"random_{process}.json").write_text(json.dumps(others))


def load_random_state(folder: Path, process: int) -> None:
    """Puts back what ``save_random_state`` wrote; a process that was not there keeps its own."""
    if not (folder / f"random_{process}.json").exists():
        return
    tensors = load_file(folder / f"random_{process}.safetensors")
    others = json.loads((folder / f"random_{process}.json").read_text())
    torch.set_rng_state(tensors["torch"])
    if "cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["cuda"])
    algorithm, keys, *rest = others["numpy"]
    np.random.set_state((algorithm, np.array(keys, np.uint32), *rest))  # noqa: NPY002
    version, internal, gauss = others["python"]
    random.setstate((version, tuple(internal), gauss))


def seal_checkpoint(folder: Path, identity: dict[str, Any]) -> None:
    """Marks a checkpoint as whole; written last, atomically, with the size of each file."""
    sizes = {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}
    temporary = folder / f".{SEAL}.{os.getpid()}"
    temporary.write_text(json.dumps({"identity": identity, "sizes": sizes}))
    os.replace(temporary, folder / SEAL)


def newest_checkpoint(folder: Path, identity: dict[str, Any]) -> Path | None:
    """The newest whole checkpoint of this job; what is half-written or another job's is removed."""
    whole = []
    for checkpoint in folder.glob("checkpoint-*"):
        if _is_whole(checkpoint, identity):
            whole.append(checkpoint)
        else:
            log.info("removed %s: half-written, or of other data or options", checkpoint)
            shutil.rmtree(checkpoint)
    if not whole:
        (folder / "best.safetensors").unlink(missing_ok=True)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _is_whole(checkpoint: Path, identity: dict[str, Any]) -> bool:
    try:
        seal = json.loads((checkpoint / SEAL).read_text())
        return seal["identity"] == json.loads(json.dumps(identity)) and all(
            (checkpoint / name).stat().st_size == size for name, size in seal["sizes"].items()
        )
    except (OSError, ValueError, KeyError):
        return False
