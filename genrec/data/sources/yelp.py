"""Yelp's open data set: reviews of shops, restaurants and services, with photos of some."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.media import MediaFolder
from genrec.data.sources.downloads import Download, optional_file, zipped
from genrec.data.sources.files import TableFile
from genrec.data.sources.item_files import existing_files
from genrec.data.sources.json_lines import read_scalars
from genrec.data.sources.sound_events import at_least_stars, sound_events
from genrec.errors import InputError

DOWNLOAD = Download(
    "the Yelp Open Dataset",
    "yelp",
    "the page 'Yelp Open Dataset' (business.yelp.com/data/resources/open-dataset)",
    "Yelp's data set terms: academic and non-commercial use, after agreeing to them",
)
_PLACE = {
    "business_id": pl.String, "name": pl.String, "city": pl.String, "state": pl.String,
    "stars": pl.Float64, "categories": pl.String,
}  # fmt: skip
_SEEN = {"photo_id": pl.String, "business_id": pl.String}


def load(
    folder: str | Path | None = None,
    *,
    category: str = "",
    state: str = "",
    min_rating: float = 0.0,
    reviews: bool = False,
    broken: str = "error",
) -> Dataset:
    """Reviewers and the places that they reviewed, with categories, town and mean stars.

    Args:
        folder: holds ``yelp_academic_dataset_business.json`` and ``…_review.json``; where there
            are ``photos.json`` and a folder ``photos`` too, a place has its first photo.
        category: only places of this category, such as ``Restaurants``.
        state: only places of this state, such as ``PA``.
        min_rating: leave out reviews of fewer stars (of 5).
        reviews: keep stars and text of each review as the table ``reviews``.
        broken: lines that cannot be read: ``error``, or ``drop`` them and log how many.

    Raises:
        ConfigError: no rating can reach ``min_rating``.
        InputError: files are missing (names all of them), have broken lines, or no place is left.
    """
    where = DOWNLOAD.at(folder)
    stem = "yelp_academic_dataset_"
    files = DOWNLOAD.files(
        where,
        {
            "places": zipped(f"{stem}business.json", "business.json"),
            "reviews": zipped(f"{stem}review.json", "review.json"),
        },
    )
    places = _places(files["places"], category, state, broken)
    places, media = _with_photos(where, places, broken)
    path = files["reviews"]
    keys = {"user_id": "user_id", "business_id": "item_id", "stars": "rating", "date": "time"}
    kinds = dict.fromkeys(keys, pl.String) | {"stars": pl.Float64}
    if reviews:
        kinds["text"] = pl.String
    file = read_scalars(path, kinds, broken=broken)
    events = sound_events(
        path,
        TableFile(file.table.rename(keys), file.rows),
        broken=broken,
        time_format="%Y-%m-%d %H:%M:%S",
        numbers=("rating",),
    )
    kept = at_least_stars(events, min_rating).join(
        places.select("item_id"), on="item_id", how="semi", maintain_order="left"
    )
    return assemble(
        Catalog(places, media=media),
        kept.select("user_id", "item_id", "time"),
        name="-".join(part.lower() for part in ("yelp", category, state) if part),
        time_unit="s",
        extras={"reviews": kept} if reviews else None,
    )


def _places(path: Path, category: str, state: str, broken: str) -> pl.DataFrame:
    table = read_scalars(path, _PLACE, broken=broken).table.drop_nulls("business_id")
    listed = pl.col("categories").fill_null("").str.split(", ")
    if category:
        table = table.filter(listed.list.contains(category))
    if state:
        table = table.filter(pl.col("state") == state)
    if not table.height:
        wanted = " and ".join(
            f"{name} '{value}'"
            for name, value in (("category", category), ("state", state))
            if value
        )
        raise InputError(f"No place of {path} has {wanted or 'an id'}. Check the spelling.")
    return table.rename({"business_id": "item_id", "name": "title", "stars": "mean_stars"})


def _with_photos(
    where: Path, places: pl.DataFrame, broken: str
) -> tuple[pl.DataFrame, MediaFolder | None]:
    listed = optional_file(where, "photos.json", "photo.json")
    folder = where / "photos"
    if listed is None or not folder.is_dir():
        return places, None
    photos = read_scalars(listed, _SEEN, broken=broken).table
    named = photos.select(
        pl.col("business_id").alias("item_id"), (pl.col("photo_id") + ".jpg").alias("image")
    )
    there = named.with_columns(existing_files(folder, named["image"])).drop_nulls()
    first = there.unique("item_id", keep="first", maintain_order=True)
    joined = places.join(first, on="item_id", how="left", maintain_order="left")
    return joined, MediaFolder.at(folder)
