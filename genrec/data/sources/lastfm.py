"""Last.fm: who listened to which artists, in the three collections that are handed out.

Celma (2010), "Music Recommendation and Discovery" (360K and 1K users); Cantador et al. (2011),
HetRec workshop (2K users with tags). Only 1K says when; the others count plays, so the order of
their events says nothing about time, and a split by last event holds out any one artist.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.downloads import Download, optional_file
from genrec.data.sources.files import TableFile
from genrec.data.sources.folders import one_of
from genrec.data.sources.lines import read_columns_of, read_fields
from genrec.data.sources.sound_events import sound_events

_OWNER = "the page of O. Celma, 'Music Recommendation Datasets' (ocelma.net)"
_TERMS = "non-commercial use, with permission of Last.fm"
DOWNLOADS = {
    "1k": Download("Last.fm 1K", "lastfm-1k", _OWNER, _TERMS),
    "360k": Download("Last.fm 360K", "lastfm-360k", _OWNER, _TERMS),
    "hetrec": Download(
        "HetRec 2011 Last.fm 2K",
        "lastfm-hetrec",
        "the page 'HetRec 2011' of GroupLens (grouplens.org/datasets/hetrec-2011)",
        "non-commercial use",
    ),
}
KINDS = ("artists", "tracks")
REPEATS = ("collapse", "keep")
MOST_TAGS = 5


def load(
    edition: str = "1k",
    folder: str | Path | None = None,
    *,
    items: str = "artists",
    repeats: str = "collapse",
    broken: str = "error",
) -> Dataset:
    """Listeners and artists, or tracks with their artist.

    ``360k`` and ``hetrec`` have a table ``plays`` of counts, and their events stand with the most
    played first, as in the files.

    Args:
        edition: ``1k``, ``360k`` or ``hetrec``.
        folder: holds the unpacked files.
        items: ``artists``, or ``tracks``, which only ``1k`` knows.
        repeats: of ``1k``: ``collapse`` plays of one item in a row into one event, or ``keep``.
        broken: lines that cannot be read: ``error``, or ``drop`` them and log how many. The
            files of 1K and 360K have some.

    Raises:
        ConfigError: no such option.
        InputError: files are missing (names all of them), or have broken lines.
    """
    edition = one_of("edition", str(edition).lower(), list(DOWNLOADS))
    download = DOWNLOADS[edition]
    one_of("items", items, KINDS if edition == "1k" else KINDS[:1])
    one_of("repeats", repeats, REPEATS)
    where = download.at(folder)
    name = f"lastfm-{edition}"
    if edition == "1k":
        return _with_times(name, download, where, items, repeats, broken)
    if edition == "360k":
        return _counts(name, download, where, broken)
    return _hetrec(name, download, where, broken)


def _with_times(
    name: str, download: Download, where: Path, items: str, repeats: str, broken: str
) -> Dataset:
    stem = "userid-timestamp-artid-artname-traid-traname.tsv"
    path = download.files(where, {"plays": [stem, f"{stem}.gz"]})["plays"]
    own = ["user_id", "time", "artist_id", "artist", "track_id", "track"]
    file = read_fields(path, own, separator="\t", broken=broken)
    artist = pl.coalesce("artist_id", "artist")
    track = pl.coalesce("track_id", pl.col("artist") + " - " + pl.col("track"))
    chosen, title = (artist, "artist") if items == "artists" else (track, "track")
    table = file.table.with_columns(chosen.alias("item_id"), pl.col(title).alias("title"))
    events = sound_events(path, TableFile(table, file.rows), broken=broken)
    # The file goes backwards in time.
    events = events.reverse().sort("user_id", "time", maintain_order=True)
    if repeats == "collapse":
        again = (pl.col("user_id") == pl.col("user_id").shift()) & (
            pl.col("item_id") == pl.col("item_id").shift()
        )
        events = events.filter(~again.fill_null(value=False))
    columns = ["item_id", "title"] if items == "artists" else ["item_id", "title", "artist"]
    return assemble(
        Catalog(events.select(columns).unique("item_id", keep="first", maintain_order=True)),
        events.select("user_id", "item_id", "time"),
        name=name,
        time_unit="s",
        user_table=_profiles(where, "userid-profile.tsv", broken),
    )


def _counts(name: str, download: Download, where: Path, broken: str) -> Dataset:
    stem = "usersha1-artmbid-artname-plays.tsv"
    path = download.files(where, {"plays": [stem, f"{stem}.gz"]})["plays"]
    own = ["user_id", "artist_id", "title", "plays"]
    file = read_fields(path, own, separator="\t", broken=broken)
    table = file.table.with_columns(pl.coalesce("artist_id", "title").alias("item_id"))
    events = sound_events(path, TableFile(table, file.rows), broken=broken, numbers=("plays",))
    return assemble(
        Catalog(events.select("item_id", "title").unique("item_id", maintain_order=True)),
        events.select("user_id", "item_id"),
        name=name,
        user_table=_profiles(where, "usersha1-profile.tsv", broken),
        extras={"plays": events.select("user_id", "item_id", pl.col("plays").cast(pl.Int64))},
    )


def _profiles(where: Path, name: str, broken: str) -> pl.DataFrame | None:
    path = optional_file(where, name)
    if path is None:
        return None
    names = ["user_id", "gender", "age", "country", "since"]
    table = read_fields(path, names, separator="\t", broken=broken, at_least=2).table
    table = table.filter(pl.col("user_id") != "#id")
    return table.with_columns(pl.col("age").cast(pl.Int64, strict=False))


def _hetrec(name: str, download: Download, where: Path, broken: str) -> Dataset:
    files = download.files(where, {"plays": ["user_artists.dat"], "artists": ["artists.dat"]})
    keys = {"userID": "user_id", "artistID": "item_id", "weight": "plays"}
    file = read_columns_of(files["plays"], list(keys), separator="\t", broken=broken)
    plays = sound_events(
        files["plays"],
        TableFile(file.table.rename(keys), file.rows),
        broken=broken,
        numbers=("plays",),
    ).with_columns(pl.col("plays").cast(pl.Int64))
    artists = read_fields(
        files["artists"],
        ["item_id", "title", "_page", "_picture"],
        separator="\t",
        broken=broken,
        at_least=2,
    ).table
    artists = artists.filter(pl.col("item_id") != "id")
    tagged, tags = (optional_file(where, one) for one in ("user_taggedartists.dat", "tags.dat"))
    if tagged and tags:
        words = _tags(tagged, tags, broken)
        artists = artists.join(words, on="item_id", how="left", maintain_order="left")
    return assemble(
        Catalog(artists),
        plays.select("user_id", "item_id"),
        name=name,
        extras={"plays": plays.select("user_id", "item_id", "plays")},
    )


def _tags(tagged: Path, tags: Path, broken: str) -> pl.DataFrame:
    """The tags that most listeners gave each artist."""
    names = read_fields(
        tags, ["tagID", "tag"], separator="\t", encoding="latin-1", broken=broken
    ).table
    given = read_columns_of(tagged, ["artistID", "tagID"], separator="\t", broken=broken).table
    counted = given.join(names, on="tagID").group_by("artistID", "tag").len()
    ranked = counted.sort(["artistID", "len", "tag"], descending=[False, True, False])
    most = ranked.group_by("artistID", maintain_order=True).head(MOST_TAGS)
    return most.group_by("artistID", maintain_order=True).agg(
        pl.col("tag").str.join(", ").alias("tags")
    ).rename({"artistID": "item_id"})  # fmt: skip
