"""What reviewers decided: taken in from a file or the page's server, kept, and given to a reward.

Later decisions take the place of earlier ones. Knows decisions and ads; draws no page.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

from genrec.creatives.ad import Ad
from genrec.creatives.ad_folder import (
    ADS,
    DELIVERIES,
    read_ads,
    read_manifest,
    write_table,
)
from genrec.creatives.media_folder import read_media
from genrec.creatives.review_page import campaign_key, write_pages
from genrec.errors import InputError, nearest
from genrec.workspace import Workspace, write_text

APPROVE, REJECT, UNDECIDED = "approve", "reject", "undecided"
CHOICES = (APPROVE, REJECT, UNDECIDED)
DECISIONS, PAIRS = "decisions.json", "pairs.parquet"
_MOST_BYTES = 64_000_000
PAIR_SCHEMA = {
    "item_id": pl.String,
    "placement": pl.String,
    "language": pl.String,
    "better_id": pl.String,
    "worse_id": pl.String,
    "better": pl.String,
    "worse": pl.String,
}


def stored_decisions(folder: Path) -> dict[str, str]:
    """What was decided so far, by ad; nothing if there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / DECISIONS
    if not path.exists():
        return {}
    return {row["ad_id"]: row["decision"] for row in _rows(_json(path), str(path))}


def read_decisions(path: Path) -> dict[str, Any]:
    """A file that the page downloaded.

    Raises:
        InputError: it cannot be read or is not such a file; lists every wrong row.
    """
    found = _json(path)
    _rows(found, str(path))
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is larger than {_MOST_BYTES:,} bytes.")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"The decisions {path} cannot be read: {reason}.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no decisions; download them from the review page.")
    return values


def _rows(values: Mapping[str, Any], where: str) -> list[dict[str, str]]:
    rows = values.get("decisions")
    if not isinstance(rows, list):
        raise InputError(f"{where} has no list 'decisions'; download it from the review page.")
    problems = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("ad_id"), str):
            problems.append(f"decision {number}: names no ad_id")
        elif row.get("decision") not in CHOICES:
            hint = nearest(str(row.get("decision")), CHOICES)
            problems.append(f"decision {number}: '{row.get('decision')}' is no decision; {hint}")
    if problems:
        raise InputError(f"{where} has {len(problems)} wrong decision(s).", problems)
    return rows


def merge_decisions(folder: Path, values: Mapping[str, Any]) -> dict[str, int]:
    """Takes decisions into a campaign's folder, and writes the reward's table and the page anew.

    Returns:
        How many ads are approved, rejected and open, and how many pairs follow.

    Raises:
        InputError: decisions of another campaign, or of ads that are not there; lists them.
        ArtefactError: the folder holds no finished campaign.
    """
    return _merged(folder, values, pages=True)


def merge_quickly(folder: Path, values: Mapping[str, Any]) -> dict[str, int]:
    """The same without the pages, which a server's visitors have open."""
    return _merged(folder, values, pages=False)


def _merged(folder: Path, values: Mapping[str, Any], *, pages: bool) -> dict[str, int]:
    ads = read_ads(folder)
    rows = _rows(values, "The file")
    known = {ad.id for ad in ads}
    unknown = [row["ad_id"] for row in rows if row["ad_id"] not in known]
    if unknown:
        of_another = values.get("campaign") not in (None, campaign_key(ads))
        hint = " The file is of another campaign or an earlier state of this one."
        raise InputError(
            f"{len(unknown)} of {len(rows)} decisions speak of ads that {folder} does not hold."
            + (hint if of_another else ""),
            [f"no ad '{ad_id}'" for ad_id in unknown],
        )
    with Workspace(folder).lock():
        decided = stored_decisions(folder)
        decided.update({row["ad_id"]: row["decision"] for row in rows})
        decided = {ad.id: decided[ad.id] for ad in ads if decided.get(ad.id, "") in CHOICES[:2]}
        stored = [{"ad_id": ad_id, "decision": choice} for ad_id, choice in decided.items()]
        text = {"campaign": campaign_key(ads), "decisions": stored}
        write_text(folder / DECISIONS, json.dumps(text, indent=1))
        table = pairs_of(ads, decided)
        write_table(table, folder / PAIRS)
        if pages:
            rewrite_pages(folder, ads, decided)
    counts = Counter(decided.values())
    return {
        "approved": counts[APPROVE],
        "rejected": counts[REJECT],
        "open": len(ads) - len(decided),
        "pairs": table.height,
    }


def rewrite_pages(folder: Path, ads: Sequence[Ad], decided: Mapping[str, str]) -> list[Path]:
    """The review pages of a finished campaign, with what was decided so far."""
    table = pl.read_parquet(folder / ADS, columns=["item_id", "title"], glob=False)
    titles = dict(table.unique().iter_rows())
    deliveries = pl.read_parquet(folder / DELIVERIES, glob=False)
    name = read_manifest(folder)["campaign"]["name"]
    return write_pages(folder, name, ads, deliveries, titles, decided, read_media(folder))


def pairs_of(ads: Iterable[Ad], decided: Mapping[str, str]) -> pl.DataFrame:
    """Pairs of ads of one item, placement and language of which one was approved and one rejected.

    What a reward learns from: ``better`` and ``worse`` hold the texts, all fields, one a line.
    """
    groups: dict[tuple[str, str, str], dict[str, list[Ad]]] = {}
    for ad in ads:
        if ad.id in decided and ad.text:
            group = groups.setdefault((ad.item, ad.channel, ad.language), {})
            group.setdefault(decided[ad.id], []).append(ad)
    rows = [
        (*place, better.id, worse.id, better.text, worse.text)
        for place, group in groups.items()
        for better, worse in product(group.get(APPROVE, []), group.get(REJECT, []))
        if better.text != worse.text
    ]
    return pl.DataFrame(rows, schema=PAIR_SCHEMA, orient="row")
