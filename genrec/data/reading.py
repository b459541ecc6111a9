"""What reading a damaged file comes to, whatever the reader: one error that names the place.

A seal tells what has changed on the disk. What a stranger sealed, or another program wrote, may
still hold anything: values of other kinds, shapes that do not fit, a file of another format.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from safetensors import SafetensorError

from genrec.errors import ArtefactError, ConfigError, InputError

DAMAGE: tuple[type[BaseException], ...] = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    ConfigError,
    InputError,
    SafetensorError,
    pl.exceptions.PolarsError,
    # polars' own bugs on files that nobody foresaw.
    pl.exceptions.PanicException,
)


@contextmanager
def reading(place: Path, what: str, *, then: str = "Make it again.") -> Iterator[None]:
    """Whatever goes wrong inside becomes an ``ArtefactError``.

    Args:
        place: file or folder that is read.
        what: it should hold, in words: ``data set``, ``semantic index``.
        then: what the user can do.
    """
    try:
        yield
    except DAMAGE as error:
        reason = str(error).partition("\n")[0][:300] or type(error).__name__
        raise ArtefactError(
            f"{place} holds no {what}, or a damaged one ({reason}). {then}"
        ) from error
