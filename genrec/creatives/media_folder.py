"""Pictures and films in a campaign's folder: signed files, who gets which, what went otherwise."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from genrec.creatives.ad_folder import file_hash, write_table
from genrec.creatives.credentials import SIDECAR, Claims, Ingredient, Signer
from genrec.creatives.media import FILM, PICTURE, Medium
from genrec.creatives.media_store import MediaStore
from genrec.creatives.xmp import kind_of
from genrec.errors import InputError
from genrec.workspace import storage_errors, write_text

MEDIA, MEDIA_LINES = "media.parquet", "media.jsonl"
FOLDERS = {PICTURE: "pictures", FILM: "films"}
SCHEMA = {
    "recipient": pl.String,
    "ad_id": pl.String,
    "kind": pl.String,
    "layout": pl.String,
    "media_id": pl.String,
    "file": pl.String,
}


@dataclass(frozen=True)
class Shown:
    """A picture or film of an ad, where it lies."""

    medium: Medium
    file: str


def file_of(medium: Medium) -> str:
    """Its path in the campaign's folder; empty if it could not be made."""
    return f"{FOLDERS[medium.kind]}/{medium.name}" if medium.file else ""


def write_media(
    into: Path,
    links: pl.DataFrame,
    media: Sequence[Medium],
    store: MediaStore,
    signer: Signer,
    *,
    ingredient: Callable[[str], Ingredient | None],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, str]:
    """Signs every file that is not signed yet, and writes the tables.

    Args:
        links: ``recipient``, ``ad_id``, ``kind``, ``layout``, ``media_id`` of each delivery.
        media: in the order of the plan.
        ingredient: the photograph of an item, by id.

    Returns:
        The SHA-256 of the two tables. Signed files differ from run to run; what they hold is in
        the tables by the hash of their content.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    made = [medium for medium in media if medium.file]
    for number, medium in enumerate(made):
        path = into / file_of(medium)
        if not _signed_already(path, medium, signer):
            photo = ingredient(medium.item)
            used = (photo,) if photo is not None and _carries(photo.content) else ()
            signer.write(path, store.read(medium), claims_of(medium), used)
        progress(number + 1, len(made))
    _remove_others(into, made)
    files = pl.DataFrame(
        [(medium.id, file_of(medium)) for medium in media],
        schema={"media_id": pl.String, "file": pl.String},
        orient="row",
    )
    table = links.join(files, on="media_id", how="left", maintain_order="left")
    write_table(table.select(list(SCHEMA)), into / MEDIA)
    write_text(into / MEDIA_LINES, "".join(f"{medium.to_json()}\n" for medium in media))
    return {name: file_hash(into / name) for name in (MEDIA, MEDIA_LINES)}


def claims_of(medium: Medium) -> Claims:
    """What a medium's credentials say."""
    return Claims(
        title=f"{medium.kind} of {medium.item}, {medium.layout}",
        source=medium.source,
        seed=medium.seed,
        model=medium.model,
        prompt_hash=medium.prompt_hash,
        steps=medium.steps,
        details={"id": medium.id, "background": medium.background, **medium.details},
    )


def _carries(content: bytes) -> bool:
    try:
        kind_of(content)
    except InputError:
        return False
    return True


def _signed_already(path: Path, medium: Medium, signer: Signer) -> bool:
    try:
        told = json.loads(path.with_name(path.name + SIDECAR).read_text(encoding="utf-8"))
        file = path.read_bytes()
    except (OSError, ValueError):
        return False
    own = signer.certificate
    return (
        told.get("content_sha256") == medium.content
        and told.get("file_sha256") == hashlib.sha256(file).hexdigest()
        # One that was made on the spot is as good as the next.
        and (
            told.get("certificate") == own.fingerprint or (told["self_signed"] and own.self_signed)
        )
    )


def _remove_others(into: Path, media: Sequence[Medium]) -> None:
    """Files of an earlier state of the campaign, and what a killed process left."""
    wanted = {into / file_of(medium) for medium in media}
    wanted |= {path.with_name(path.name + SIDECAR) for path in wanted}
    for folder in FOLDERS.values():
        for path in (into / folder).glob("??/*"):
            if path not in wanted:
                with storage_errors(path):
                    path.unlink(missing_ok=True)


def read_media(folder: Path) -> dict[str, list[Shown]]:
    """Pictures and films of each ad, by its id; those of its first recipient."""
    if not (folder / MEDIA).is_file() or not (folder / MEDIA_LINES).is_file():
        return {}
    media = {}
    for line in (folder / MEDIA_LINES).read_text(encoding="utf-8").split("\n")[:-1]:
        medium = Medium.from_json(line)
        media[medium.id] = medium
    return shown_of(pl.read_parquet(folder / MEDIA, glob=False), media)


def shown_of(links: pl.DataFrame, media: Mapping[str, Medium]) -> dict[str, list[Shown]]:
    """Pictures and films of each ad, by its id; those of its first recipient."""
    first = links.unique(["ad_id", "kind", "layout"], keep="first", maintain_order=True)
    found: dict[str, list[Shown]] = {}
    for ad_id, media_id in first.select("ad_id", "media_id").iter_rows():
        if media_id in media:
            medium = media[media_id]
            found.setdefault(ad_id, []).append(Shown(medium, file_of(medium)))
    return found


def media_problems(
    links: pl.DataFrame, media: Mapping[str, Medium]
) -> Iterator[tuple[str, str, str]]:
    """Every failure, fallback and flag as the ad's id, its kind and words."""
    told: set[tuple[str, str, str]] = set()
    for ad_id, media_id in links.select("ad_id", "media_id").iter_rows():
        if media_id not in media:
            continue
        for kind, words in problems_of_medium(media[media_id]):
            if (ad_id, kind, words) not in told:
                told.add((ad_id, kind, words))
                yield ad_id, kind, words


def problems_of_medium(medium: Medium) -> Iterator[tuple[str, str]]:
    """What went otherwise with one picture or film."""
    if medium.failure:
        yield "text only", f"no {medium.kind}: {medium.failure}"
    if medium.background == "plain":
        tried = f" after {len(medium.tries)} tries" if medium.tries else ""
        yield "fallback", f"{medium.kind}: a plain background{tried}"
    for flag in medium.flags:
        yield "flag", f"{medium.kind}: {flag.replace('_', ' ')}"
    for note in medium.notes:
        yield "note", note


def media_report(media: Sequence[Medium], signer: Signer) -> dict[str, Any]:
    """Counts of pictures, films, fallbacks and defects, and who signed them."""
    made = [medium for medium in media if medium.file]
    kinds = Counter(medium.kind for medium in made)
    return {
        "pictures": kinds[PICTURE],
        "films": kinds[FILM],
        "failed": len(media) - len(made),
        "backgrounds": dict(Counter(medium.background for medium in made)),
        "with_adapter": sum(bool(medium.details.get("adapter")) for medium in made),
        "defects": dict(
            Counter(kind for medium in made for defects in medium.tries for kind in defects)
        ),
        "flags": dict(Counter(flag for medium in made for flag in medium.flags)),
        "signed_by": signer.certificate.subject,
        "self_signed": signer.certificate.self_signed,
    }
