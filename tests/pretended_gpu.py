"""A GPU that is none: tensors that say they lie elsewhere, and are held to what a GPU asks.

As a plugin, ``python -m pytest -p tests.pretended_gpu tests/recommenders/test_sasrec.py``, it has
torch report a GPU. What goes there becomes ``Away``: its values stay on the CPU, its device is
``meta``, which torch has on every machine. An operation on tensors of two devices fails as it does
on a GPU, as does NumPy; every other one is computed. Kernels, streams, graphs, half precision and
speed are not pretended, and a test that makes tensors of its own on the CPU fails for that.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

ELSEWHERE, HERE = torch.device("meta"), torch.device("cpu")
# Operations that carry values from one device to another.
CARRIERS = ("aten::_to_copy", "aten::copy_", "aten::to.")
# A tensor elsewhere may be indexed by one that lies here.
INDEXING = ("aten::index.Tensor", "aten::index_put", "aten::_index_put_impl_")
MADE_FROM_VALUES = (torch.tensor, torch.as_tensor)
INDEXED = (Tensor.__getitem__, Tensor.__setitem__)


class Away(Tensor):
    """A tensor elsewhere; ``values`` are its own, here."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> Away:
        away: Away = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=ELSEWHERE,
        )
        away.values = values
        return away

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        return computed(function, args, kwargs or {})

    def numpy(self, **_: Any) -> Any:
        raise TypeError("A tensor elsewhere cannot become an array of NumPy's; bring it here first")

    def tolist(self) -> Any:
        return self.values.tolist()


def computed(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operation gives, on the device on which it would lie.

    Raises:
        RuntimeError: tensors of two devices.
    """
    name: str = function.name()
    leaves = tree_leaves((args, kwargs))
    away = [x for x in leaves if isinstance(x, Away)]
    named = [x for x in leaves if isinstance(x, torch.device)]
    if name == "aten::to.other":
        named = [args[1].device]
    carries = name.startswith(CARRIERS)
    if away and not carries:
        # Single numbers go along with any device.
        here = [x for x in leaves if isinstance(x, Tensor) and x.device == HERE and x.dim()]
        if here and not (name.startswith(INDEXING) and isinstance(args[0], Away)):
            shapes = [tuple(x.shape) for x in here]
            raise RuntimeError(f"{name}: tensors of two devices; here are those of {shapes}")
    goes = named[0] == ELSEWHERE if named else bool(away)
    if name == "aten::copy_":
        goes = isinstance(args[0], Away)
    given = tree_map_only(Away, lambda x: x.values, (args, kwargs))
    given = tree_map_only(torch.device, lambda _: HERE, given)
    found = function(*given[0], **given[1])
    if not goes:
        return found
    known = {id(x.values): x for x in away}
    return tree_map_only(Tensor, lambda x: known[id(x)] if id(x) in known else Away(x), found)


class Computing(TorchDispatchMode):
    """Operations that make tensors elsewhere, or bring them there."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        return computed(function, args, kwargs or {})


class Calling(TorchFunctionMode):
    """Calls that would make tensors without values, before they come to an operation."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        kwargs = kwargs or {}
        if function is torch.device:
            return function(*args, **kwargs)
        args = tuple(map(elsewhere, args))
        if "device" in kwargs:
            kwargs = kwargs | {"device": elsewhere(kwargs["device"])}
        if function in MADE_FROM_VALUES and kwargs.get("device") == ELSEWHERE:
            made = function(*args, **(kwargs | {"device": None}))
            return made if isinstance(made, Away) else Away(made)
        if function in INDEXED and isinstance(args[0], Away):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            lists = tuple(torch.tensor(x) if isinstance(x, list) and x else x for x in index)
            args = (args[0], lists if isinstance(args[1], tuple) else lists[0], *args[2:])
        return function(*args, **kwargs)


def elsewhere(device: Any) -> Any:
    """``meta`` for CUDA's devices; anything else as it is."""
    cuda = isinstance(device, torch.device) and device.type == "cuda"
    return ELSEWHERE if cuda or (isinstance(device, str) and device[:4] == "cuda") else device


def carried(module: nn.Module) -> nn.Module:
    """A module with all that it holds elsewhere; what is shared stays shared."""
    moved: dict[int, nn.Parameter] = {}
    for part in module.modules():
        for name, one in part._parameters.items():
            if one is None or isinstance(one.data, Away):
                continue
            if id(one) not in moved:
                away = Away(one.detach())
                moved[id(one)] = nn.Parameter(away, requires_grad=one.requires_grad)
            part._parameters[name] = moved[id(one)]
        for name, buffer in part._buffers.items():
            if buffer is not None and not isinstance(buffer, Away):
                part._buffers[name] = Away(buffer.detach())
    return module


def pretend() -> None:
    """Has torch report a GPU, from now to the end of the process."""
    # They look for a real one when they are imported, so that must be over.
    import accelerate
    import bitsandbytes
    import peft
    import transformers

    assert all((accelerate, bitsandbytes, peft, transformers.Trainer))
    answers = {
        "is_available": True,
        "is_bf16_supported": False,
        "current_device": 0,
        "device_count": 1,
        "get_device_name": "pretended",
        "get_device_capability": (9, 0),
        "get_device_properties": SimpleNamespace(major=9, minor=0, total_memory=1 << 37),
        "mem_get_info": (1 << 36, 1 << 37),
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    for name in ("set_device", "synchronize", "empty_cache", "manual_seed_all"):
        setattr(torch.cuda, name, lambda *_: None)
    torch.cuda.get_rng_state = lambda *_: torch.get_rng_state()
    torch.cuda.set_rng_state = lambda *_: None
    # Asked by the name of a tensor's device.
    torch.meta = torch.cuda
    nn.Module.cuda = lambda self, *_: carried(self)
    Tensor.cuda = lambda self, *_, **__: self if isinstance(self, Away) else Away(self)
    # Tensors of a subclass have no versions to count in inference mode.
    torch.inference_mode = lambda *_: torch.no_grad()
    # Its fused kernel is there for the values, whatever their device is called.
    adam = importlib.import_module("torch.optim.adam")
    adam._device_dtype_check_for_fused = lambda *_, **__: None
    begin = torch.autocast.__init__

    def autocast(self: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        if device_type == ELSEWHERE.type:
            device_type, args, kwargs = "cpu", (torch.bfloat16, False), {}
        begin(self, device_type, *args, **kwargs)

    torch.autocast.__init__ = autocast


def pytest_configure() -> None:
    """Pretends before a test, and with it anything of ours, is imported."""
    pretend()


@pytest.fixture(autouse=True, scope="session")
def _pretended():
    with Calling(), Computing():
        yield
