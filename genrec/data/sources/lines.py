"""Tables of lines whose fields stand between separators, read by polars as a stream.

For the large files of public data sets, which quote nothing: MovieLens' ``::``, Last.fm's tabs,
ratings with commas. A CSV file with quotes in it goes to the full reader of ``files``. Files may be
compressed by gzip.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from genrec.data.rows import RowNames
from genrec.data.sources.downloads import settle
from genrec.data.sources.files import TableFile, read_table, undecodable
from genrec.errors import InputError, nearest

# Stands in no text file: every line is one cell.
_NOWHERE = "\x1f"


def read_lines(path: Path, *, encoding: str = "utf-8") -> pl.DataFrame:
    """The lines that are not blank: columns ``row`` (uint32, 0-based) and ``line``.

    Raises:
        InputError: the file is absent, empty, or not text in this encoding.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist. Check the path.")
    try:
        if encoding != "utf-8":
            lines = _bytes(path).decode(encoding).splitlines()
            table = pl.DataFrame({"line": lines}, schema={"line": pl.String}).with_row_index("row")
        else:
            scanned = pl.scan_csv(
                path,
                separator=_NOWHERE,
                has_header=False,
                quote_char=None,
                schema={"line": pl.String},
                row_index_name="row",
                glob=False,
            )
            table = scanned.collect(engine="streaming")
    except pl.exceptions.NoDataError:
        raise InputError(f"{path} is empty. Fetch it anew.") from None
    except (UnicodeDecodeError, pl.exceptions.ComputeError) as error:
        wrong = undecodable(_bytes(path), encoding)
        reason = f"is not text in {encoding}" if wrong else f"cannot be read: {error}"
        raise InputError(f"{path} {reason}. Fetch it anew.", wrong) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}. Fetch it anew.") from None
    return table.filter(pl.col("line").fill_null("").str.strip_chars(" \t\r") != "")


def read_fields(
    path: Path,
    names: Sequence[str],
    *,
    separator: str,
    encoding: str = "utf-8",
    broken: str = "error",
    at_least: int = 0,
) -> TableFile:
    """The fields of a file without a header, as text; empty ones are null.

    Args:
        names: of all fields, in their order; those that begin with ``_`` are left out.
        broken: lines with another number of fields: ``error`` or ``drop``.
        at_least: fields that a line must have, where the last ones may be missing; all if 0.

    Raises:
        InputError: the file cannot be read, or has broken lines; lists them.
    """
    lines = read_lines(path, encoding=encoding)
    return _split(path, lines, names, separator=separator, broken=broken, at_least=at_least)


def read_columns_of(
    path: Path,
    needed: Sequence[str],
    *,
    also: Sequence[str] = (),
    separator: str = ",",
    broken: str = "error",
) -> TableFile:
    """Columns of a file with a header, as text; empty cells are null.

    Args:
        needed: names that the header must have.
        also: names that it may have.

    Raises:
        InputError: the file cannot be read, lacks a column, has one twice, or has broken lines.
    """
    lines = read_lines(path)
    if not lines.height:
        raise InputError(f"{path} holds blank lines only. Fetch it anew.")
    header = lines["line"][0].split(separator)
    if separator == "," and lines["line"].str.contains('"', literal=True).any():
        if path.suffix == ".gz":
            raise InputError(f"{path} has quotes in it. Unpack it first: gzip -d {path.name}")
        file = read_table(path, format="csv", named=False)
        _check_header(path, file.table.columns, needed)
        kept = [name for name in (*needed, *also) if name in file.table.columns]
        return TableFile(file.table.select(kept), file.rows)
    _check_header(path, header, needed)
    wanted = {*needed, *also}
    names = [name if name in wanted else f"_{place}" for place, name in enumerate(header)]
    return _split(path, lines[1:], names, separator=separator, broken=broken)


def _check_header(path: Path, header: Sequence[str], needed: Sequence[str]) -> None:
    problems = [
        f"no column '{name}'; {nearest(name, header)}" for name in needed if name not in header
    ]
    problems += [
        f"two columns are called '{name}'"
        for place, name in enumerate(header)
        if name in header[:place]
    ]
    if problems:
        raise InputError(f"{path} has another header than it should have.", problems)


def _split(
    path: Path,
    lines: pl.DataFrame,
    names: Sequence[str],
    *,
    separator: str,
    broken: str,
    at_least: int = 0,
) -> TableFile:
    fields = pl.col("line").str.count_matches(separator, literal=True) + 1
    counted = lines.with_columns(fields.alias("fields"))
    good = pl.col("fields").is_between(at_least or len(names), len(names))
    bad = counted.filter(~good)
    said = f"{at_least} to {len(names)}" if at_least else str(len(names))
    problems = [
        f"line {row + 1}: {count} field(s), not {said}"
        for row, count in bad.select("row", "fields").iter_rows()
    ]
    settle(path, problems, broken, total=lines.height)
    kept = counted.filter(good) if problems else counted
    cells = pl.col("line").str.split_exact(separator, len(names) - 1)
    table = kept.select(
        "row",
        *(
            cells.struct.field(f"field_{place}").replace("", None).alias(name)
            for place, name in enumerate(names)
            if not name.startswith("_")
        ),
    )
    if not table.height:
        raise InputError(f"{path} has no rows. Fetch it anew.")
    numbers = table["row"]
    return TableFile(table.drop("row"), RowNames("line", lambda row: int(numbers[row]) + 1))


def _bytes(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path, "rb") as file:
            return file.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is cut off or damaged: {error}. Fetch it anew.") from None
