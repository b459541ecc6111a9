"""A shop whose things have photos, and campaigns of small pictures and films over it."""

from pathlib import Path

import polars as pl

from genrec.creatives.campaign import Campaign
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.media import MediaFolder
from genrec.data.toy_pictures import draw
from tests.creatives.small_shop import campaign, shop, shop_run

DRAWINGS = {"p0": ("lamp", "teal", "dots"), "p1": ("mug", "red", "plain")}


def photographed(folder: Path) -> Dataset:
    """Lamp and mug with photos, a bag without one, a vase whose file is broken."""
    folder.mkdir(parents=True, exist_ok=True)
    for item, drawing in DRAWINGS.items():
        draw(*drawing).save(folder / f"{item}.png")
    (folder / "p3.png").write_bytes((folder / "p0.png").read_bytes()[:900])
    data = shop()
    images = [f"{item}.png" if item in ("p0", "p1", "p3") else None for item in data.catalog.ids]
    table = data.catalog.table.with_columns(pl.Series("image", images, dtype=pl.String))
    return Dataset(data.name, Catalog(table, media=MediaFolder(folder)), data.users, data.events)


def photographed_run(folder: Path):
    return shop_run(folder / "run", photographed(folder / "photos"))


def pictures(**changes) -> Campaign:
    """Two placements of what two users get, each with a banner and no film."""
    content = {
        "who": {"users": ["u0", "u1"]},
        "what": {"items": ["p0", "p1"]},
        "brief": {"intensity": "quiet", "disclosures": ["Advertisement"]},
        "picture": {"layouts": ["leaderboard"], "attempts": 1},
    }
    return campaign(**{**content, **changes})


FILM = {"seconds": 6, "format": "square", "side": 64, "fps": 2}
