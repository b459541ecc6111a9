"""Files as bad disks, other programs and strangers leave them, and the one promise about them.

A reader is given a folder of whole files, one of which is damaged: cut off, bytes changed, or whole
in form with odd values inside. It may read what it gets, or refuse with an error of genrec's own;
anything else is a bug. ``HYPOTHESIS_PROFILE=explore`` tries fifty times as many.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from genrec.errors import GenrecError
from genrec.workspace import SEAL

FACTOR = 50 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 1

DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]
# What stands where another value is expected.
ODD: list[Any] = [
    None, True, -1, 0, 3, 2**31, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", "x", "-1",
    "\0", "\ud800", "é" * 3000, "../../etc/passwd", [], [[]], [1, "a", None], {}, {"a": {"b": 1}},
    DEEP,
]  # fmt: skip
ODD_WORDS = [
    "", "-1", "0", "nan", "inf", "1e999", "99999999999999999999", "null", "{}", "[", '"', "'", "::",
    "\t\t", "\n\n", "\r", "\\", "\ufeff", "🧺", "a" * 5000, "*.*", "&a [*a]", "!!python/none",
    "2024-13-45", "%s", "{{ 1 }}",
]  # fmt: skip
ODD_BYTES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"\x89PNG",
    b"\r\n",
    b"\xed\xa0\x80",
]


@st.composite
def spoilt_bytes(draw: Any, whole: bytes) -> bytes:
    """Cut off, bytes changed, taken out, put in, or doubled."""
    how = draw(st.sampled_from(["cut", "change", "out", "in", "double", "other"]))
    here = draw(st.integers(0, max(len(whole) - 1, 0)))
    there = min(len(whole), here + draw(st.sampled_from([1, 2, 8, 64, 1000])))
    if how == "cut":
        return whole[:here]
    if how == "change":
        changed = bytes(
            byte ^ draw(st.integers(1, 255)) for byte in whole[here : min(there, here + 8)]
        )
        return whole[:here] + changed + whole[here + len(changed) :]
    if how == "out":
        return whole[:here] + whole[there:]
    if how == "in":
        return whole[:here] + draw(st.sampled_from(ODD_BYTES)) + whole[here:]
    if how == "double":
        return whole[:there] + whole[here:]
    return draw(st.sampled_from([b"", b"\n", b"{}", b"[]", b"null", b"\0" * 64, b"PAR1PAR1"]))


@st.composite
def odd_json(draw: Any, value: Any) -> Any:
    """A JSON value with one of its parts replaced, taken out or doubled."""
    path: list[Any] = []
    part = value
    while isinstance(part, dict | list) and len(part) and draw(st.integers(0, 3)):
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        path.append(draw(st.sampled_from(keys[:200])))
        part = part[path[-1]]
    if not path:
        return draw(st.sampled_from(ODD))
    made = json.loads(json.dumps(value))
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    how = draw(st.sampled_from(["replace", "replace", "out", "double"]))
    if how == "out":
        del holder[path[-1]]
    elif how == "double" and isinstance(holder, list):
        holder.append(holder[path[-1]])
    else:
        holder[path[-1]] = draw(st.sampled_from(ODD))
    return made


@st.composite
def odd_records(draw: Any, text: str) -> str:
    """JSON, or a record a line, of which one is odd."""
    try:
        return json.dumps(draw(odd_json(json.loads(text))))
    except json.JSONDecodeError:
        lines = text.splitlines()
    here = draw(st.integers(0, len(lines) - 1))
    try:
        record = json.loads(lines[here])
    except json.JSONDecodeError:
        # As Python prints it.
        lines[here] = repr(draw(odd_json(ast.literal_eval(lines[here]))))
    else:
        lines[here] = json.dumps(draw(odd_json(record)))
    return "\n".join(lines) + "\n"


@st.composite
def odd_table(draw: Any, table: pl.DataFrame) -> pl.DataFrame:
    """A table with a column gone, of another type, without values, or with rows too many or few."""
    column = draw(st.sampled_from(table.columns)) if table.columns else ""
    how = draw(st.sampled_from(["gone", "text", "null", "float", "empty", "double", "renamed"]))
    if how == "gone" or not column:
        return table.drop(column) if column else table
    if how == "text":
        return table.with_columns(pl.lit("x").alias(column))
    if how == "null":
        return table.with_columns(pl.lit(None, dtype=table.schema[column]).alias(column))
    if how == "float":
        return table.with_columns(pl.lit(-1.5).alias(column))
    if how == "empty":
        return table.head(0)
    if how == "double":
        return pl.concat([table, table])
    return table.rename({column: "other"})


@st.composite
def odd_tensors(draw: Any, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors of which one is gone, of another shape or type, or holds what is no number."""
    name = draw(st.sampled_from(sorted(tensors)))
    value = tensors[name]
    how = draw(st.sampled_from(["gone", "shorter", "flat", "float", "whole", "huge"]))
    made = dict(tensors)
    if how == "gone":
        del made[name]
    elif how == "shorter":
        made[name] = value[: len(value) // 2].copy() if value.ndim else value
    elif how == "flat":
        made[name] = value.reshape(-1).copy()
    elif how == "float":
        made[name] = np.full(value.shape, np.nan, np.float32)
    elif how == "whole":
        made[name] = np.full(value.shape, -7, np.int64)
    else:
        made[name] = np.full(value.shape, 2**62, np.int64)
    return made


@st.composite
def odd_text(draw: Any, text: str) -> str:
    """A text with one word replaced by an odd one."""
    here = draw(st.integers(0, max(len(text) - 1, 0)))
    there = here + draw(st.sampled_from([0, 1, 3, 10]))
    return text[:here] + draw(st.sampled_from(ODD_WORDS)) + text[there:]


@st.composite
def spoilt(draw: Any, name: str, whole: bytes) -> bytes:
    """A file's content, damaged as a file of that name can be."""
    suffix = Path(name).suffix
    if draw(st.booleans()):
        if suffix in (".json", ".jsonl", ".ndjson"):
            return draw(odd_records(whole.decode())).encode()
        if suffix == ".parquet":
            made = io.BytesIO()
            draw(odd_table(pl.read_parquet(io.BytesIO(whole)))).write_parquet(made)
            return made.getvalue()
        if suffix == ".safetensors":
            return save(draw(odd_tensors(load(whole))))
        if suffix == ".gz":
            inside = draw(spoilt(name.removesuffix(".gz"), gzip.decompress(whole)))
            return gzip.compress(inside, 1, mtime=0)
        if suffix in (".csv", ".tsv", ".dat", ".data", ".item", ".yaml", ".txt", ".jinja"):
            return draw(odd_text(whole.decode("latin-1"))).encode("latin-1", "replace")
    return draw(spoilt_bytes(whole))


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path there; packed ones without the time of packing."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {
        name: gzip.compress(gzip.decompress(whole), 1, mtime=0) if name.endswith(".gz") else whole
        for name, whole in found.items()
    }


def seal_again(folder: Path) -> None:
    """Makes the seals below a folder fit the files as they are now."""
    for seal in folder.rglob(SEAL):
        about = json.loads(seal.read_text())
        for name in about["files"]:
            content = (seal.parent / name).read_bytes()
            about["files"][name] = hashlib.sha256(content).hexdigest()
        seal.write_text(json.dumps(about))


def check_reader(
    folder: Path,
    read: Callable[[Path], object],
    *,
    examples: int = 10,
    resealed: bool = False,
    only: tuple[str, ...] = (),
) -> None:
    """Reads a folder whole, then with one file damaged after another.

    Args:
        folder: whole files; left as it was.
        read: what opens the folder.
        examples: how many damages are tried.
        resealed: hashes of sealed artefacts are made to fit, so that what lies behind is met.
        only: files to damage; all by default.
    """
    read(folder)
    whole = files_of(folder)
    seals = {name: content for name, content in whole.items() if Path(name).name == SEAL}
    names = [name for name in whole if name not in seals and (not only or name in only)]
    assert names

    @settings(max_examples=examples * FACTOR, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: Any) -> None:
        name = data.draw(st.sampled_from(names))
        (folder / name).write_bytes(data.draw(spoilt(name, whole[name])))
        try:
            if resealed:
                seal_again(folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(folder)
        except GenrecError as error:
            assert str(error)
        finally:
            for left in [path for path in folder.rglob("*") if path.is_file()]:
                if str(left.relative_to(folder)) not in whole:
                    left.unlink()
            for back in {name, *seals}:
                (folder / back).write_bytes(whole[back])

    holds()
