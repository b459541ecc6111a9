"""What encoders of pictures, sounds and films share: reading, workers, batches, the cache.

Files are read and decoded by threads while the model works, each distinct content once. What
cannot be used is left out by rule and listed; it never becomes a vector of zeros that looks like
data. Knows bytes and batches, not what a file shows.
"""

from __future__ import annotations

import hashlib
import json
import logging
from abc import abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder, MediaProblem
from genrec.encoders.base import Encoder, ItemVectors, Progress
from genrec.encoders.cache import VectorCache, key_of
from genrec.encoders.loading import cpu_has_bfloat16, folder_hash, weights_hash
from genrec.encoders.options import MediaEncoderConfig
from genrec.errors import InputError

log = logging.getLogger(__name__)

# Files between two writes to the cache: what a kill can lose.
CHUNK = 2048
# Raised when the same file would give another vector, so that old caches are left alone.
_FORMAT = 1

T = TypeVar("T")
Prepared = dict[str, np.ndarray]


class MediaEncoder(Encoder):
    """Vectors of what items' files show or sound like.

    Args:
        model: a hub name or a folder.
        cache: folder of vectors made before; ``None`` is the user's cache.
        options: of ``MediaEncoderConfig``.

    Attributes:
        column: of the catalogue, whose files are read.
    """

    column: ClassVar[str]

    def __init__(self, model: str | Path, *, cache: Path | None = None, **options: Any) -> None:
        self.config = MediaEncoderConfig(str(model), **options)
        self.name = self.config.model
        self._cache_folder = cache

    @classmethod
    def from_config(cls, config: MediaEncoderConfig, *, cache: Path | None = None) -> Self:
        """The encoder that a recipe describes."""
        return cls(**asdict(config), cache=cache)

    @abstractmethod
    def prepare(self, content: bytes) -> Prepared:
        """A file's bytes as the model's inputs, without a batch dimension.

        Raises:
            InputError: the file cannot be used; the message completes "file '…': ".
        """

    @abstractmethod
    def forward(self, batch: dict[str, Any]) -> Any:
        """Tensors with a batch dimension to vectors, shape (batch, dimensions)."""

    @property
    @abstractmethod
    def model(self) -> Any:
        """The transformers model, loaded once."""

    @abstractmethod
    def sample(self) -> Prepared:
        """Inputs of a file that shows or says nothing, to learn how long a vector is."""

    @cached_property
    def dimensions(self) -> int:
        return int(self._forward([self.sample()]).shape[1])

    def facts(self) -> dict[str, Any]:
        """Options that change a vector, for the fingerprint."""
        return {"normalise": self.config.normalise}

    def weights(self) -> str:
        """A hash of the model, for the fingerprint."""
        folder = Path(self.config.model)
        return folder_hash(folder) if folder.is_dir() else weights_hash(self.model.state_dict())

    @cached_property
    def fingerprint(self) -> str:
        facts = {
            "format": _FORMAT,
            "column": self.column,
            "weights": self.weights(),
            "dtype": str(self.dtype),
            **self.facts(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def dtype(self) -> Any:
        """bfloat16 where the CPU multiplies in it, about twice as fast; float32 on a GPU."""
        import torch

        if torch.cuda.is_available() or not cpu_has_bfloat16():
            return torch.float32
        return torch.bfloat16

    def encode(self, catalog: Catalog, progress: Progress | None = None) -> ItemVectors:
        """One vector for each item whose file can be used; the others are masked and listed.

        Args:
            progress: called with items done and items in all, known ones first.

        Raises:
            InputError: the catalogue names no file, says not where they lie, or none can be used.
            ConfigError: the model cannot be had.
            StorageError: the cache cannot be written.
        """
        names = catalog.files(self.column)
        wanted = [row for row, name in enumerate(names) if name is not None]
        if not wanted:
            raise InputError(
                f"No item of the catalogue names a file in its column '{self.column}'. Add the "
                "column, or leave this encoder out."
            )
        if catalog.media is None:
            raise InputError(
                f"The catalogue names files in '{self.column}' and not where they lie. Name the "
                "folder or zip archive: data.options.media in a recipe (of the toy shop: "
                "data.options.pictures=true), Catalog(…, media=…) in Python."
            )
        read = partial(_digest_of, catalog.media)
        found = dict(
            zip(wanted, self._mapped(read, [str(names[row]) for row in wanted]), strict=True)
        )
        problems = {row: reason for row, reason in found.items() if isinstance(reason, InputError)}
        rows_of: dict[bytes, list[int]] = defaultdict(list)
        for row, digest in found.items():
            if isinstance(digest, bytes):
                rows_of[digest].append(row)
        contents = list(rows_of)
        vectors, usable = self._vectors(
            catalog.media,
            [(digest, str(names[rows_of[digest][0]])) for digest in contents],
            progress=progress,
            items=len(names),
        )
        full = np.zeros((len(names), self.dimensions), np.float32)
        mask = np.zeros(len(names), bool)
        for number, digest in enumerate(contents):
            reason = usable[number]
            if reason is None:
                full[rows_of[digest]] = vectors[number]
                mask[rows_of[digest]] = True
            else:
                problems |= dict.fromkeys(rows_of[digest], reason)
        listed = tuple(
            MediaProblem(catalog.ids[row], str(names[row]), str(problems[row]))
            for row in sorted(problems)
        )
        if listed and not mask.any():
            raise InputError(
                f"None of the {len(wanted):,} files in '{self.column}' can be used.",
                [str(problem) for problem in listed],
            )
        if listed:
            log.warning(
                "%d of %d files in '%s' are left out", len(listed), len(wanted), self.column
            )
        return ItemVectors(tuple(catalog.ids), full, mask, self.fingerprint, listed)

    def encode_contents(self, contents: Sequence[bytes]) -> np.ndarray:
        """Vectors of files given as bytes, shape (files, dimensions), float32; nothing is kept.

        Raises:
            InputError: one cannot be used; all that cannot are named.
        """
        prepared = list(self._mapped(partial(_tried, self.prepare), contents))
        problems = [f"file {n}: {p}" for n, p in enumerate(prepared) if isinstance(p, InputError)]
        if problems:
            raise InputError(f"{len(problems)} of {len(contents)} files cannot be used.", problems)
        good = [part for part in prepared if not isinstance(part, InputError)]
        vectors = np.zeros((len(good), self.dimensions), np.float32)
        for start in range(0, len(good), self.config.batch_size):
            part = good[start : start + self.config.batch_size]
            vectors[start : start + len(part)] = self._run(part)
        return vectors

    def _vectors(
        self,
        media: MediaFolder,
        files: Sequence[tuple[bytes, str]],
        *,
        progress: Progress | None,
        items: int,
    ) -> tuple[np.ndarray, list[InputError | None]]:
        """Vectors of distinct files, given as (digest, name), and why one has none."""
        cache = VectorCache(self.fingerprint, self.dimensions, self._cache_folder)
        keys = [key_of(self.fingerprint, digest) for digest, _ in files]
        vectors, known = cache.find(keys)
        reasons: list[InputError | None] = [None] * len(files)
        done = int(known.sum())
        log.info("%d of %d files are in the cache %s", done, len(files), cache.folder)

        def tell() -> None:
            if progress is not None:
                progress(items * done // len(files) if files else items, items)

        tell()
        missing = np.flatnonzero(~known).tolist()
        size = self.config.batch_size
        for start in range(0, len(missing), CHUNK):
            rows = missing[start : start + CHUNK]
            prepared = self._mapped(
                partial(_tried, lambda row: self.prepare(media.read(files[row][1]))), rows
            )
            good: list[int] = []
            batch: list[Prepared] = []
            kept: list[int] = []
            for row, part in zip(rows, prepared, strict=True):
                if isinstance(part, InputError):
                    reasons[row] = part
                else:
                    good.append(row)
                    batch.append(part)
                if len(batch) == size or (row == rows[-1] and batch):
                    vectors[good] = self._run(batch)
                    kept += good
                    done += len(good)
                    good, batch = [], []
                    tell()
            cache.add([keys[row] for row in kept], vectors[kept])
        return vectors, reasons

    def _mapped(self, work: Callable[[Any], T], inputs: Sequence[Any]) -> Iterator[T]:
        """Results in order, made by threads, a block of files at a time.

        On a GPU the next block is under way while the model works. On a CPU both would fight over
        the same cores, which costs more than they gain.
        """
        import torch

        ahead = torch.cuda.is_available()
        size = 2 * self.config.batch_size
        blocks = [inputs[start : start + size] for start in range(0, len(inputs), size)]
        with ThreadPoolExecutor(self.config.workers) as pool:
            under_way: deque[list[Future[list[T]]]] = deque()
            for block in blocks:
                under_way.append(self._submitted(pool, work, block))
                if ahead and len(under_way) == 1:
                    continue
                for part in under_way.popleft():
                    yield from part.result()
            for rest in under_way:
                for part in rest:
                    yield from part.result()

    def _submitted(
        self, pool: ThreadPoolExecutor, work: Callable[[Any], T], block: Sequence[Any]
    ) -> list[Future[list[T]]]:
        """A block in as many parts as there are threads; a task for each file costs as much."""
        share = -(-len(block) // self.config.workers)
        parts = [block[start : start + share] for start in range(0, len(block), share)]
        return [pool.submit(lambda part: [work(one) for one in part], part) for part in parts]

    def _run(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Vectors of prepared files; those of one shape go through the model together."""
        alike: dict[Any, list[int]] = defaultdict(list)
        for number, part in enumerate(batch):
            alike[tuple(sorted((key, value.shape) for key, value in part.items()))].append(number)
        vectors = np.zeros((len(batch), self.dimensions), np.float32)
        for numbers in alike.values():
            found = self._forward([batch[number] for number in numbers])
            if not np.isfinite(found).all():
                raise InputError(
                    f"The encoder '{self.name}' gave NaN or infinity. Choose another model."
                )
            vectors[numbers] = found
        if self.config.normalise:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _forward(self, alike: Sequence[Prepared]) -> np.ndarray:
        import torch

        device = next(self.model.parameters()).device
        inputs = {}
        for key in alike[0]:
            tensor = torch.from_numpy(np.stack([part[key] for part in alike]))
            inputs[key] = tensor.to(device, self.dtype if tensor.is_floating_point() else None)
        with torch.inference_mode():
            return self.forward(inputs).float().cpu().numpy()


def pooled(output: Any) -> Any:
    """One vector for each input: the model's own, else the mean over positions."""
    vector = getattr(output, "pooler_output", None)
    if vector is not None:
        return vector.flatten(1)
    hidden = output.last_hidden_state
    # Convolutional towers give (batch, channels, height, width), transformers (batch, tokens, …).
    return hidden.mean((2, 3)) if hidden.ndim == 4 else hidden.mean(1)


def _digest_of(media: MediaFolder, name: str) -> bytes | InputError:
    try:
        return hashlib.sha256(media.read(name)).digest()
    except InputError as error:
        return error


def _tried(prepare: Callable[[Any], Prepared], given: Any) -> Prepared | InputError:
    try:
        return prepare(given)
    except InputError as error:
        return error
