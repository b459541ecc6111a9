"""Files of one record a line: JSON, or what Python prints of a dictionary; plain or gzipped.

Amazon's reviews of 2014 and Steam's come with Python's quotes, which no JSON reader takes. Large
files of plain JSON go through polars; only a file that polars refuses is read line by line, so that
every line that is none can be named.
"""

from __future__ import annotations

import ast
import glob
import gzip
import json
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from genrec.data.rows import RowNames
from genrec.data.sources.downloads import settle
from genrec.data.sources.files import TableFile
from genrec.errors import InputError

Record = dict[str, Any]
CHUNK = 50_000


def read_scalars(
    path: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]], *, broken: str = "error"
) -> TableFile:
    """Keys whose values are text or numbers, one column each; absent ones are null.

    Args:
        schema: the keys and their types.
        broken: lines that are no records: ``error`` or ``drop``.

    Raises:
        InputError: the file is absent, empty or damaged, or has broken lines; lists them.
    """
    _check(path)
    try:
        scanned = pl.scan_ndjson(glob.escape(str(path)), schema=dict(schema))
        table = scanned.collect(engine="streaming")
        # polars makes an empty row of anything that it can call an object.
        if table.height and not table.select(pl.all_horizontal(pl.all().is_null()).any()).item():
            return TableFile(table, RowNames("record", lambda row: row + 1))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        pass
    picks = {key: _scalar(key, kind) for key, kind in schema.items()}
    return read_records(path, picks, schema, broken=broken)


def read_records(
    path: Path,
    picks: Mapping[str, Callable[[Record], Any]],
    schema: Mapping[str, pl.DataType | type[pl.DataType]],
    *,
    broken: str = "error",
) -> TableFile:
    """What is picked of each record, one column each; read line by line in bounded memory.

    Args:
        picks: for each column, what it takes of a record.
        schema: the columns' types.
        broken: lines that are no records: ``error`` or ``drop``.

    Raises:
        InputError: the file is absent, empty or damaged, or has broken lines; lists them.
    """
    _check(path)
    chunks: list[pl.DataFrame] = []
    cells: dict[str, list[Any]] = {name: [] for name in picks}
    numbers: list[int] = []
    problems: list[str] = []
    for number, record in _records(path, problems):
        for name, pick in picks.items():
            cells[name].append(pick(record))
        numbers.append(number)
        if len(numbers) % CHUNK == 0:
            chunks.append(pl.DataFrame(cells, schema=dict(schema), strict=False))
            cells = {name: [] for name in picks}
    settle(path, problems, broken, total=len(numbers) + len(problems))
    if not numbers:
        raise InputError(f"{path} has no records. Fetch it anew.")
    chunks.append(pl.DataFrame(cells, schema=dict(schema), strict=False))
    return TableFile(pl.concat(chunks), RowNames("line", numbers.__getitem__))


def _check(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path} does not exist. Check the path.")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty. Fetch it anew.")


def _records(path: Path, problems: list[str]) -> Iterator[tuple[int, Record]]:
    with _opened(path) as file:
        number = 0
        while True:
            number += 1
            try:
                raw = file.readline()
            except (OSError, EOFError, zlib.error) as error:
                problems.append(f"line {number}: the file is cut off or damaged ({error})")
                return
            if not raw:
                return
            if not raw.strip():
                continue
            try:
                record = _parsed(raw)
            except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                problems.append(f"line {number}: neither JSON nor a Python literal ({reason})")
                continue
            if isinstance(record, dict):
                yield number, record
            else:
                problems.append(f"line {number}: a {type(record).__name__}, not a record {{…}}")


def _parsed(raw: bytes) -> Any:
    # Numbers such as NaN, and halves of characters that no encoding takes, are refused.
    text = raw.decode("utf-8-sig")
    try:
        value = json.loads(text)
    except ValueError:
        with warnings.catch_warnings():
            # Escapes that Python does not know, such as "\/", stay as they stand.
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text.strip())
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.GzipFile(path, "rb")
    return path.open("rb")


def _scalar(key: str, kind: Any) -> Callable[[Record], Any]:
    def text(record: Record) -> Any:
        value = record.get(key)
        return value if value is None or isinstance(value, str) else str(value)

    def number(record: Record) -> Any:
        value = record.get(key)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                return None
        return value if isinstance(value, int | float) else None

    return text if kind == pl.String else number
