"""Item vectors by several processes, or by Ray: they fill the cache that encoders look into first.

A part is encoded as a whole or not at all, so what a killed worker leaves is encoded again, in the
same company of items and therefore to the same vectors. Whoever wants the vectors encodes after
that as ever, and finds them all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genrec.data.catalog import Catalog
from genrec.data.storage import read_dataset
from genrec.encoders.modalities import TEXT, encoders_of
from genrec.encoders.options import EncodeConfig
from genrec.encoders.text import TextEncoder
from genrec.errors import InputError
from genrec.stages.engines import ENGINES, Progress

log = logging.getLogger(__name__)

# Not more than an encoder keeps in its cache at a time.
PART_ITEMS = 2048


@dataclass(frozen=True)
class EncodePart:
    """Items whose content of one kind is encoded together.

    Attributes:
        kind: of content: ``text``, ``image``, …
        rows: places in the catalogue.
    """

    kind: str
    rows: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many."""
        return len(self.rows)


@dataclass(frozen=True)
class OpenEncoders:
    """Opens what encodes parts; travels between processes.

    Attributes:
        dataset: folder of the stored data set.
        cache: folder of vectors; ``None`` is the user's cache.
    """

    dataset: Path
    options: EncodeConfig
    cache: Path | None = None

    def __call__(self) -> Callable[[EncodePart, Progress], None]:
        catalog = read_dataset(self.dataset).catalog
        encoders = encoders_of(self.options, cache=self.cache)

        def write(part: EncodePart, progress: Progress) -> None:
            try:
                encoders[part.kind].encode(catalog.take(part.rows))
            except InputError as error:
                # Whoever encodes all items after this tells of all that cannot be used.
                log.info("a part of %d items was not encoded: %s", part.size, error)
            progress(part.size)

        return write


def parts_of(
    catalog: Catalog, options: EncodeConfig, *, items: int = PART_ITEMS
) -> list[EncodePart]:
    """What is to be encoded, each distinct text or file once, those of like length together."""
    found = []
    for kind, encoder in encoders_of(options).items():
        contents: Sequence[str | None] = (
            encoder.texts(catalog) if isinstance(encoder, TextEncoder) else catalog.files(kind)
        )
        first: dict[str, int] = {}
        for row, content in enumerate(contents):
            if content:
                first.setdefault(content, row)
        rows = list(first.values())
        if kind == TEXT:
            rows.sort(key=lambda row: -len(contents[row] or ""))
        for start in range(0, len(rows), items):
            found.append(EncodePart(kind, tuple(rows[start : start + items])))
    return found


def fill_cache(
    parts: Sequence[EncodePart],
    opened: OpenEncoders,
    *,
    engine: str,
    workers: int,
    progress: Callable[[int, int], None],
) -> None:
    """Encodes the parts by an engine.

    Args:
        progress: called with contents done and contents in all.

    Raises:
        ConfigError: there is no such engine, or it cannot be started.
        MissingExtra: its package is not installed.
    """
    whole, done = sum(part.size for part in parts), 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        progress(done, whole)

    if parts:
        ENGINES.load(engine)(opened, parts, workers, tell)
