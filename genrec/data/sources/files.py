"""One table file of an unknown sender, read with every cell as it stands, or one clear error.

CSV cells stay text, so that ``00123`` stays an id. Knows no column's meaning.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.rows import LISTED, TABLE_ROWS, RowNames
from genrec.errors import ConfigError, InputError, nearest

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
CHUNK = 100_000


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file's table and how messages name its rows."""

    table: pl.DataFrame
    rows: RowNames


def read_table(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002 - the word that users know
    separator: str | None = None,
    encoding: str = "utf-8",
    may_be_empty: bool = False,
    named: bool = True,
) -> TableFile:
    """The table in a CSV, TSV, JSONL or Parquet file.

    Args:
        format: ``csv``, ``tsv``, ``jsonl`` or ``parquet``; by default the file's ending says.
        separator: one character between the fields of a CSV.
        encoding: of text files.
        named: whether whoever reads an error can name a separator and an encoding; for the files
            of a public data set, which has neither option, errors say how to save them instead.
        may_be_empty: take a CSV of a header alone for a table without rows, as one of Parquet is.

    Raises:
        ConfigError: an option that does not exist.
        InputError: every problem of the file's form, with line numbers.
    """
    kind = format or FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(
            f"{path} ends in none of {', '.join(FORMATS)}. Save it as one of these; if it is one "
            "under another name, rename it or say which (format='csv')."
        )
    if kind not in FORMATS.values():
        raise ConfigError(f"format is '{kind}'; {nearest(kind, set(FORMATS.values()))}")
    if separator is not None and (len(separator) != 1 or separator in '"\r\n'):
        raise ConfigError(f"separator is {separator!r}; it must be one character, such as ';'.")
    if kind == "parquet":
        return TableFile(read_parquet(path), TABLE_ROWS)
    text = _text(path, encoding, named=named)
    if kind == "jsonl":
        return _jsonl(path, text)
    file = _delimited(path, text, separator or ("\t" if kind == "tsv" else ","), named=named)
    if not file.table.height and not may_be_empty:
        raise InputError(f"{path} has a header and no rows. At least one row is needed.")
    return file


def read_parquet(path: Path) -> pl.DataFrame:
    """The table of a parquet file.

    Raises:
        InputError: it is absent, empty, truncated or no parquet file.
    """
    data = _bytes(path)
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        state = "is cut off" if data[:4] == b"PAR1" else "is no parquet file"
        raise InputError(f"{path} {state} ({len(data)} bytes). Write or fetch it anew.")
    try:
        return pl.read_parquet(io.BytesIO(data), use_pyarrow=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(f"{path} is a damaged parquet file: {reason}. Fetch it anew.") from None


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist. Check the path.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}. Name a readable file.") from None
    if not data:
        raise InputError(f"{path} is empty. It needs a header and at least one row.")
    return data


def _text(path: Path, encoding: str, *, named: bool) -> str:
    data = _bytes(path)
    if data[:4] == b"PAR1":
        raise InputError(f"{path} is a parquet file. Pass format='parquet'.")
    if data[:2] == b"\x1f\x8b":
        raise InputError(f"{path} is compressed by gzip. Unpack it first.")
    try:
        text = data.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise ConfigError(f"There is no encoding '{encoding}'; say 'utf-8' or 'latin-1'.") from None
    except UnicodeError:
        other = ", or name its encoding, such as encoding='latin-1'" if named else ""
        raise InputError(
            f"{path} is not text in {encoding}. Save it as UTF-8{other}.",
            undecodable(data, encoding),
        ) from None
    if "\0" in text:
        lines = [n for n, line in enumerate(text.split("\n"), 1) if "\0" in line]
        raise InputError(
            f"{path} is not a text table: it holds NUL bytes. Export it as text.",
            _listed([f"line {n}: a NUL byte" for n in lines]),
        )
    return text


def undecodable(data: bytes, encoding: str) -> list[str]:
    """The lines that are not text in an encoding; none if they cannot be told."""
    problems = []
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            line.decode(encoding)
        except UnicodeDecodeError as error:
            problems.append(f"line {number}: byte 0x{line[error.start]:02x} is not {encoding}")
        except UnicodeError:
            return []
    return _listed(problems)


def _listed(problems: list[str]) -> list[str]:
    more = len(problems) - LISTED
    return [*problems[:LISTED], f"and {more} more lines"] if more > 0 else problems


def _delimited(path: Path, text: str, separator: str, *, named: bool) -> TableFile:
    header = _header(path, text, separator, named=named)
    plain = _plain(path, text, header, separator)
    if plain is not None:
        return TableFile(plain, RowNames("line", lambda row: row + 2))
    chunks: list[pl.DataFrame] = []
    numbers: list[int] = []
    problems: list[str] = []
    records = _records(text, separator, problems)
    next(records)
    schema = dict.fromkeys(header, pl.String)
    while chunk := list(islice(records, CHUNK)):
        good = []
        for number, cells in chunk:
            if len(cells) == len(header):
                good.append([cell or None for cell in cells])
                numbers.append(number)
            else:
                problems.append(_ragged(number, len(cells), len(header)))
        chunks.append(pl.DataFrame(good, schema=schema, orient="row"))
    if problems:
        raise InputError(f"{path} has {len(problems)} broken line(s).", _listed(problems))
    table = pl.concat(chunks) if chunks else pl.DataFrame(schema=schema)
    return TableFile(table, RowNames("line", numbers.__getitem__))


def _ragged(number: int, fields: int, expected: int) -> str:
    return f"line {number}: {fields} field(s), but the header has {expected}"


def _records(text: str, separator: str, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The records with the line on which each begins; blank lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(f"line {first}: {error}; the lines after it were not read")
            return
        if cells:
            yield first, cells


def _header(path: Path, text: str, separator: str, *, named: bool) -> list[str]:
    problems: list[str] = []
    _, header = next(_records(text, separator, problems), (0, []))
    if not header and not problems:
        raise InputError(f"{path} holds blank lines only. It needs a header and rows.")
    for place, name in enumerate(header, 1):
        if not name.strip():
            problems.append(f"line 1: column {place} has no name")
        elif name in header[: place - 1]:
            problems.append(f"line 1: two columns are called '{name}'")
    if problems:
        raise InputError(f"{path} has no usable header.", problems)
    others = [mark for mark in (";", "\t", "|", ",") if mark in header[0] and mark != separator]
    if len(header) == 1 and others:
        what = (
            f"Name what stands between its fields: separator={others[0]!r}."
            if named
            else f"Save it with {separator!r} between its fields, not {others[0]!r}."
        )
        raise InputError(f"{path} has the one column {header[0]!r}. {what}")
    return header


def _plain(path: Path, text: str, header: list[str], separator: str) -> pl.DataFrame | None:
    """The table of a text without quotes and blank lines, which needs no full CSV reader."""
    bare = text.replace("\r\n", "\n") if "\r\n" in text else text
    if '"' in bare or "\r" in bare or "\n\n" in bare or bare[0] == "\n" or ord(separator) > 127:
        return None
    data = bare.rstrip("\n").encode()
    if b"\n" not in data:
        return None
    problems = _field_counts(data, separator, len(header))
    if problems:
        raise InputError(f"{path} has {len(problems)} broken line(s).", _listed(problems))
    return pl.read_csv(
        data, separator=separator, quote_char=None, infer_schema=False, truncate_ragged_lines=False
    )


def _field_counts(data: bytes, separator: str, expected: int) -> list[str]:
    problems: list[str] = []
    line, start = 1, 0
    while start < len(data):
        end = data.find(b"\n", min(start + (1 << 24), len(data)))
        end = len(data) if end < 0 else end + 1
        block = np.frombuffer(data, np.uint8, end - start, start)
        breaks = np.flatnonzero(block == 10)
        starts = np.concatenate([[0], breaks[breaks < len(block) - 1] + 1])
        fields = np.add.reduceat(block == ord(separator), starts, dtype=np.int64) + 1
        for row in np.flatnonzero(fields != expected):
            problems.append(_ragged(line + int(row), int(fields[row]), expected))
        line, start = line + len(starts), end
    return problems


def _jsonl(path: Path, text: str) -> TableFile:
    records: list[dict[str, object]] = []
    numbers: list[int] = []
    problems: list[str] = []
    for number, line in enumerate(io.StringIO(text), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            line.encode()
            if "\\u" in line:
                json.dumps(record, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            problems.append(f"line {number}: not JSON ({error})")
            continue
        if isinstance(record, dict):
            records.append(record)
            numbers.append(number)
        else:
            problems.append(f"line {number}: a {type(record).__name__}, not an object {{…}}")
    if problems:
        raise InputError(f"{path} has {len(problems)} broken line(s).", _listed(problems))
    if not records:
        raise InputError(f"{path} has no rows. At least one row is needed.")
    names = dict.fromkeys(name for record in records for name in record)
    columns = [_series(name, [record.get(name) for record in records]) for name in names]
    return TableFile(pl.DataFrame(columns), RowNames("line", numbers.__getitem__))


def _series(name: str, cells: list[object]) -> pl.Series:
    """Cells of one kind as they are; mixed kinds and objects as text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    strings = all(
        isinstance(part, str) for cell in cells if isinstance(cell, list) for part in cell
    )
    plain = len(kinds) <= 1 and dict not in kinds and (list not in kinds or strings)
    if plain or kinds == {int, float}:
        try:
            return pl.Series(name, cells, strict=kinds != {int, float})
        except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError):
            pass
    texts = [
        cell if cell is None or isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
        for cell in cells
    ]
    return pl.Series(name, texts, dtype=pl.String)
