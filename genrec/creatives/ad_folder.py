"""The folder of a finished campaign: tables, lines, one folder per ad, and what went otherwise.

Everything in it follows from the plan and the ads alone, in the plan's order, so that a campaign
that was killed ten times leaves the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from genrec.creatives.ad import Ad
from genrec.creatives.csv_cells import csv_text
from genrec.creatives.jobs import Plan
from genrec.errors import ArtefactError, InputError, nearest
from genrec.workspace import storage_errors, write_text

DELIVERIES, ADS, LINES, PROBLEMS = "deliveries.parquet", "ads.parquet", "ads.jsonl", "problems.csv"
LEFT, FOLDERS = "left.parquet", "ads"
MANIFEST, REPORT = "_manifest.json", "report.json"
_SHOWN = 5

Progress = Callable[[int, int], None]


def deliveries_of(
    table: pl.DataFrame, plan: Plan, names: Sequence[str], items: Sequence[str]
) -> pl.DataFrame:
    """Rows of a plan in words: ``recipient``, ``item_id``, …, ``ad_id``."""
    variant = table["variant"].to_numpy()

    def of(name: str) -> pl.Series:
        values = pl.Series(name, [getattr(one, name) for one in plan.variants])
        return values.gather(variant)

    return pl.DataFrame(
        {
            "recipient": pl.Series(names, dtype=pl.String).gather(table["recipient"]),
            "item_id": pl.Series(items, dtype=pl.String).gather(table["item"]),
            "placement": of("placement"),
            "language": of("language"),
            "seed": of("seed"),
            "ad_id": table["key"],
        }
    )


def write_outputs(
    into: Path,
    deliveries: pl.DataFrame,
    records: pl.DataFrame,
    *,
    titles: Mapping[str, str],
    folders: bool,
    beside: Sequence[tuple[str, str, str]] = (),
    progress: Progress = lambda _done, _all: None,
) -> dict[str, str]:
    """Writes all but the manifest; returns the SHA-256 of each file, and of the folders as one.

    Args:
        records: ``key`` and ``record`` of each ad, in the order of the plan.
        titles: of items, by id.
        folders: also a folder for each ad.
        beside: further problems, of its pictures and films: the ad's id, kind and words.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    ads = [Ad.from_json(record) for record in records["record"]]
    for half in into.glob(".*.*"):
        # What a killed process was writing; the lock has but one dot.
        half.unlink(missing_ok=True)
    write_table(ad_table(ads, titles), into / ADS)
    write_table(deliveries, into / DELIVERIES)
    write_text(into / LINES, "".join(f"{record}\n" for record in records["record"]))
    problems = problem_table(ads, deliveries, beside)
    write_text(into / PROBLEMS, csv_text(problems.columns, problems.iter_rows()))
    hashes = {name: file_hash(into / name) for name in (ADS, DELIVERIES, LINES, PROBLEMS)}
    if folders:
        hashes[FOLDERS] = _write_folders(into / FOLDERS, ads, progress)
    return hashes


def _write_folders(folder: Path, ads: Sequence[Ad], progress: Progress) -> str:
    whole = hashlib.sha256()
    wanted: set[str] = set()
    for half in folder.glob("??/*/.*"):
        half.unlink(missing_ok=True)
    for number, ad in enumerate(ads):
        wanted.add(ad.id)
        place = folder_of(folder, ad.id)
        for name, text in files_of(ad).items():
            whole.update(f"{ad.id}/{name}\0{text}\0".encode())
            _write_once(place / name, text)
        if number % 1000 == 0:
            progress(number, len(ads))
    for left in folder.glob("??/*"):
        if left.name not in wanted:
            with storage_errors(left):
                shutil.rmtree(left)
    return whole.hexdigest()


def folder_of(folder: Path, ad_id: str) -> Path:
    """Where an ad's own folder lies: fanned out, as a file system finds few names faster."""
    return folder / ad_id[:2] / ad_id


def files_of(ad: Ad) -> dict[str, str]:
    """An ad's files by name: all of it as JSON, and its texts to be read."""
    values = json.dumps(ad.to_dict(), indent=1, ensure_ascii=False)
    texts = "".join(f"{name}: {text}\n" for name, text in ad.fields.items())
    return {"ad.json": f"{values}\n", "copy.txt": texts or f"not written: {ad.failure}\n"}


def _write_once(path: Path, text: str) -> None:
    try:
        if path.read_bytes() == text.encode():
            return
    except OSError:
        pass
    write_text(path, text)


def ad_table(ads: Sequence[Ad], titles: Mapping[str, str]) -> pl.DataFrame:
    """One row per ad; the channels' fields are columns, empty where a channel has none."""
    fields = list(dict.fromkeys(f"text_{name}" for ad in ads for name in ad.fields))
    rows: dict[str, list[Any]] = {
        "ad_id": [ad.id for ad in ads],
        "item_id": [ad.item for ad in ads],
        "title": [titles.get(ad.item, "") for ad in ads],
        "placement": [ad.channel for ad in ads],
        "language": [ad.language for ad in ads],
        **{name: [ad.fields.get(name.removeprefix("text_")) for ad in ads] for name in fields},
        "mode": [ad.mode for ad in ads],
        "written_by": [ad.written_by for ad in ads],
        "score": [ad.score for ad in ads],
        "notes": [list(ad.notes) for ad in ads],
        "failure": [ad.failure for ad in ads],
    }
    for name in ("seed", "model", "adapter", "prompt_hash", "policy", "profile", "item", "brief"):
        column = "item_hash" if name == "item" else name
        rows[column] = [getattr(ad.provenance, name) for ad in ads]
    rows["evidence"] = [list(ad.provenance.evidence) for ad in ads]
    lists = {"notes": pl.List(pl.String), "evidence": pl.List(pl.String)}
    texts = dict.fromkeys(fields, pl.String)
    return pl.DataFrame(rows, schema_overrides={**lists, **texts})


def problem_table(
    ads: Sequence[Ad], deliveries: pl.DataFrame, beside: Sequence[tuple[str, str, str]] = ()
) -> pl.DataFrame:
    """Every fallback and failure: ``ad_id``, ``kind``, ``what``, and a first recipient."""
    rows = [*((ad.id, *found) for ad in ads for found in problems_of(ad)), *beside]
    table = pl.DataFrame(
        rows, schema={"ad_id": pl.String, "kind": pl.String, "what": pl.String}, orient="row"
    )
    whom = deliveries.group_by("ad_id", maintain_order=True).agg(
        pl.col("recipient").first(),
        pl.len().alias("recipients"),
        pl.col("item_id", "placement", "language").first(),
    )
    return table.join(whom, on="ad_id", how="left", maintain_order="left")


def problems_of(ad: Ad) -> Iterator[tuple[str, str]]:
    """What went otherwise with one ad: its kind (failure, fallback or note) and words."""
    if ad.failure:
        yield "failure", ad.failure
    if ad.written_by and ad.written_by != ad.mode:
        yield "fallback", f"asked for {ad.mode}, written by {ad.written_by}"
    for note in ad.notes:
        yield "note", note


def summary_of(
    ads: Sequence[Ad], beside: Sequence[tuple[str, str, str]] = ()
) -> list[dict[str, Any]]:
    """Each kind of problem with its count and the first ads that have it; the commonest first."""
    ids: dict[tuple[str, str], list[str]] = {}
    for ad in ads:
        for problem in problems_of(ad):
            ids.setdefault(problem, []).append(ad.id)
    for ad_id, kind, what in beside:
        ids.setdefault((kind, what), []).append(ad_id)
    commonest = sorted(ids.items(), key=lambda one: -len(one[1]))
    return [
        {"kind": kind, "what": what, "ads": len(found), "examples": found[:_SHOWN]}
        for (kind, what), found in commonest
    ]


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Writes a Parquet file as a whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    with storage_errors(path):
        try:
            table.write_parquet(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a campaign's folder says of itself.

    Raises:
        ArtefactError: it is no such folder, or its campaign has not come to an end.
    """
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ArtefactError(
            f"{folder} holds no finished campaign. Make one: "
            f"genrec ads RUN --campaign FILE --into {folder}"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise ArtefactError(
            f"{folder / MANIFEST} is damaged. Repeat the command that made the folder."
        ) from error


def read_ads(folder: Path) -> list[Ad]:
    """All ads of a campaign's folder.

    Raises:
        ArtefactError: it holds none, or they are not what the manifest says.
    """
    manifest = read_manifest(folder)
    path = folder / LINES
    if not path.is_file() or file_hash(path) != manifest["files"][LINES]:
        raise ArtefactError(
            f"{path} is missing or changed. Repeat the command that made the folder."
        )
    return [Ad.from_json(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def one_ad(ads: Sequence[Ad], ad_id: str) -> Ad:
    """The ad of an id, or of the beginning of one.

    Raises:
        InputError: there is none, or several begin so.
    """
    found = [ad for ad in ads if ad.id.startswith(ad_id)] if ad_id else []
    if len(found) != 1:
        what = f"{len(found)} ads begin" if found else "No ad begins"
        hint = "" if found else f"; {nearest(ad_id, [ad.id for ad in ads[:2000]])}"
        raise InputError(f"{what} with '{ad_id}'{hint}")
    return found[0]


def left_table(rows: pl.DataFrame, into: Path) -> None:
    """Lists the jobs that a budget left, or removes the list of an earlier run."""
    if rows.is_empty():
        with storage_errors(into / LEFT):
            (into / LEFT).unlink(missing_ok=True)
    else:
        write_table(rows, into / LEFT)


def manifest_of(
    about: Mapping[str, Any], plan: Plan, ads: int, failed: int, files: Mapping[str, str]
) -> dict[str, Any]:
    """What the folder holds; the same however the campaign came to its end."""
    return {
        **about,
        "deliveries": len(plan),
        "distinct": plan.jobs.height,
        "ads": ads,
        "failed": failed,
        "left": plan.jobs.height - ads,
        "files": dict(files),
    }
