"""Ads in the files that ad platforms take. What does not fit a platform's limits is left out, told.

Nothing is cut: a text that a reviewer saw goes out as it is, or not at all. Limits are those that
the platforms publish; Google counts a double-width letter as two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from genrec.creatives.ad import Ad
from genrec.creatives.csv_cells import csv_text, harmless
from genrec.creatives.letters import COUNTS
from genrec.data.catalog import Catalog, Item
from genrec.errors import ConfigError, InputError, nearest

HEADLINE, LONG_HEADLINE, DESCRIPTION, SHORT_DESCRIPTION = 30, 90, 90, 60
BUSINESS_NAME = 25
META_ID, META_TITLE, META_TEXT, META_BRAND = 100, 200, 9999, 100
# Responsive search ads and asset groups: the fewest and the most of each.
SEARCH_HEADLINES, SEARCH_DESCRIPTIONS = (3, 15), (2, 4)
MAX_HEADLINES, MAX_LONG_HEADLINES, MAX_DESCRIPTIONS = (3, 15), (1, 5), (2, 5)
# Where headlines and descriptions stand in the channels' fields.
_HEADLINES = ("headline", "title", "subject")
_DESCRIPTIONS = ("description", "body", "text", "preheader")
# Stands for the path of an ad's own picture in an address; a film is told by its ending.
_FILE, _FILM = "{file}", ".mp4"
MAX_PICTURES, MAX_FILMS = 20, 5


@dataclass(frozen=True)
class ExportOptions:
    """What a platform needs beside the texts.

    Attributes:
        campaign: its name there.
        link: address of an item's page, with ``{item_id}`` in it.
        image_link: of its picture, likewise; or of the ad's own, with ``{file}`` in it.
        brand: for items without one, and the business name.
        currency: of the prices, ISO 4217.
        files: pictures and films of each ad, by its id: paths in the campaign's folder.
    """

    campaign: str
    link: str = ""
    image_link: str = ""
    brand: str = ""
    currency: str = "USD"
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [
            problem
            for name in ("link", "image_link")
            if (problem := _link_problem(name, getattr(self, name)))
        ]
        if problems:
            raise InputError("The export's addresses do not fit.", problems)

    def page(self, item_id: str) -> str:
        """The address of an item's page."""
        return self.link.replace("{item_id}", quote(item_id, safe=""))

    def picture(self, item_id: str, ads: Sequence[Ad] = ()) -> str:
        """The address of an item's picture, or of the first that one of its ads has."""
        link = self.image_link.replace("{item_id}", quote(item_id, safe=""))
        if _FILE not in link:
            return link
        pictures = [one for one in self.files_of(ads) if not one.endswith(_FILM)]
        return link.replace(_FILE, quote(pictures[0])) if pictures else ""

    def files_of(self, ads: Sequence[Ad]) -> list[str]:
        """Pictures and films of these ads, each once."""
        return list(dict.fromkeys(file for ad in ads for file in self.files.get(ad.id, ())))


def _link_problem(name: str, link: str) -> str:
    if not link:
        return ""
    parts = urlsplit(link.replace("{item_id}", "x").replace(_FILE, "x"))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return f"{name} is '{link}'; it looks like https://shop.example/p/{{item_id}}"
    if "{item_id}" in link or (name == "image_link" and _FILE in link):
        return ""
    return f"{name} is '{link}', without {{item_id}}"


@dataclass
class Exported:
    """A file's text, how many rows it has, and what was left out of it and why."""

    text: str
    rows: int
    left_out: list[str] = field(default_factory=list)


def export(platform: str, ads: Sequence[Ad], catalog: Catalog, options: ExportOptions) -> Exported:
    """Ads as a platform takes them.

    Args:
        platform: ``google``, ``performance-max``, ``meta`` or ``json``.

    Raises:
        ConfigError: there is no such platform, or it needs an address that is not given.
    """
    if platform not in PLATFORMS:
        raise ConfigError(f"There is no platform '{platform}'; {nearest(platform, PLATFORMS)}")
    written = [ad for ad in ads if not ad.failure]
    left_out = [f"{ad.id}: not written: {ad.failure}" for ad in ads if ad.failure]
    exported = PLATFORMS[platform](written, catalog, options)
    exported.left_out[:0] = left_out
    return exported


def _needs(platform: str, **given: str) -> None:
    if missing := [name for name, value in given.items() if not value]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise ConfigError(f"An export for {platform} needs {flags}.")


def _groups(ads: Sequence[Ad]) -> Iterator[tuple[str, str, list[Ad]]]:
    """Ads of one item in one language: what a platform mixes into one ad."""
    found: dict[tuple[str, str], list[Ad]] = {}
    for ad in ads:
        found.setdefault((ad.item, ad.language), []).append(ad)
    for (item, language), group in found.items():
        yield item, language, group


def _texts(ads: Sequence[Ad], names: Sequence[str]) -> list[str]:
    """Texts of fields that begin with one of the names, each once, in the ads' order."""
    return list(
        dict.fromkeys(
            text
            for ad in ads
            for name, text in ad.fields.items()
            if text and name.startswith(tuple(names))
        )
    )


class _Assets:
    """Texts of one group that fit a platform, and notes of those that do not."""

    def __init__(self, where: str, left_out: list[str]) -> None:
        self.where, self.left_out = where, left_out

    def fitting(
        self, kind: str, texts: Sequence[str], most: int, counts: tuple[int, int]
    ) -> list[str] | None:
        """At most so many that fit; ``None`` if there are fewer than a platform asks for."""
        fit = [text for text in texts if COUNTS["google"](harmless(text)) <= most]
        fewest, room = counts
        if len(fit) < fewest:
            longer = (
                f", {len(texts) - len(fit)} are longer than {most}" if len(texts) > len(fit) else ""
            )
            self.left_out.append(f"{self.where}: {len(fit)} {kind}(s), {fewest} are needed{longer}")
            return None
        self.left_out += [
            f"{self.where}: {kind} longer than {most}: {text}" for text in texts if text not in fit
        ]
        self.left_out += [f"{self.where}: {kind} beyond {room}: {text}" for text in fit[room:]]
        return fit[:room]


def _padded(texts: Sequence[str], width: int) -> list[str]:
    return [*texts, *[""] * (width - len(texts))]


def _google(ads: Sequence[Ad], _catalog: Catalog, options: ExportOptions) -> Exported:
    """Responsive search ads, as Google Ads Editor imports them; all of them paused."""
    _needs("google", link=options.link)
    (_, heads), (_, texts) = SEARCH_HEADLINES, SEARCH_DESCRIPTIONS
    header = ["Campaign", "Ad Group", "Ad type", "Status", "Final URL"]
    header += [f"Headline {number}" for number in range(1, heads + 1)]
    header += [f"Description {number}" for number in range(1, texts + 1)]
    rows: list[list[str]] = []
    left_out: list[str] = []
    for item, language, group in _groups(ads):
        assets = _Assets(f"{item} ({language})", left_out)
        search = [ad for ad in group if ad.channel == "search"]
        headlines = assets.fitting(
            "headline", _texts(search, _HEADLINES), HEADLINE, SEARCH_HEADLINES
        )
        details = assets.fitting(
            "description", _texts(search, _DESCRIPTIONS), DESCRIPTION, SEARCH_DESCRIPTIONS
        )
        if headlines and details:
            fixed = [options.campaign, f"{item} {language}", "Responsive search ad", "Paused"]
            found = [*_padded(headlines, heads), *_padded(details, texts)]
            rows.append([*fixed, options.page(item), *found])
    return Exported(csv_text(header, rows), len(rows), left_out)


def _performance_max(ads: Sequence[Ad], _catalog: Catalog, options: ExportOptions) -> Exported:
    """Asset groups of texts, and of pictures and films by their files where there are any."""
    _needs("performance-max", link=options.link, brand=options.brand)
    if COUNTS["google"](harmless(options.brand)) > BUSINESS_NAME:
        raise ConfigError(f"--brand is longer than {BUSINESS_NAME}, a business name's limit.")
    header = ["Campaign", "Asset Group", "Asset Group Status", "Final URL", "Business name"]
    header += [f"Headline {number}" for number in range(1, MAX_HEADLINES[1] + 1)]
    header += [f"Long headline {number}" for number in range(1, MAX_LONG_HEADLINES[1] + 1)]
    header += [f"Description {number}" for number in range(1, MAX_DESCRIPTIONS[1] + 1)]
    files = [options.files_of(group) for _, _, group in _groups(ads)]
    films = min(max((sum(map(_is_film, one)) for one in files), default=0), MAX_FILMS)
    pictures = min(
        max((sum(not _is_film(file) for file in one) for one in files), default=0), MAX_PICTURES
    )
    header += [f"Image {number}" for number in range(1, pictures + 1)]
    header += [f"Video {number}" for number in range(1, films + 1)]
    rows: list[list[str]] = []
    left_out: list[str] = []
    for item, language, group in _groups(ads):
        where = f"{item} ({language})"
        assets = _Assets(where, left_out)
        all_heads = _texts(group, _HEADLINES)
        short = [text for text in all_heads if COUNTS["google"](harmless(text)) <= HEADLINE]
        headlines = assets.fitting("headline", short, HEADLINE, MAX_HEADLINES)
        longer = [text for text in all_heads if text not in short] or _texts(group, _DESCRIPTIONS)
        long = assets.fitting("long headline", longer, LONG_HEADLINE, MAX_LONG_HEADLINES)
        details = assets.fitting(
            "description", _texts(group, _DESCRIPTIONS), DESCRIPTION, MAX_DESCRIPTIONS
        )
        if not (headlines and long and details):
            continue
        # One of them must be short, and the platform reads it first.
        details.sort(key=lambda text: COUNTS["google"](harmless(text)) > SHORT_DESCRIPTION)
        if COUNTS["google"](harmless(details[0])) > SHORT_DESCRIPTION:
            left_out.append(
                f"{where}: no description of at most {SHORT_DESCRIPTION}, one is needed"
            )
            continue
        fixed = [options.campaign, f"{item} {language}", "Paused", options.page(item)]
        found = [*_padded(headlines, MAX_HEADLINES[1]), *_padded(long, MAX_LONG_HEADLINES[1])]
        found += _padded(details, MAX_DESCRIPTIONS[1])
        own = options.files_of(group)
        found += _padded([one for one in own if not _is_film(one)][:pictures], pictures)
        found += _padded([one for one in own if _is_film(one)][:films], films)
        rows.append([*fixed, options.brand, *found])
    return Exported(csv_text(header, rows), len(rows), left_out)


def _is_film(file: str) -> bool:
    return file.endswith(_FILM)


_META = ("id", "title", "description", "availability", "condition", "price", "link", "image_link")


def _meta(ads: Sequence[Ad], catalog: Catalog, options: ExportOptions) -> Exported:
    """A catalogue feed: each item once, with the first title and description written for it."""
    _needs("meta", link=options.link, image_link=options.image_link)
    languages = list(dict.fromkeys(ad.language for ad in ads))
    header = [*_META, "brand", "custom_label_0"]
    rows: list[list[str]] = []
    left_out: list[str] = []
    for item_id, language, group in _groups(ads):
        if language != languages[0]:
            left_out.append(f"{item_id} ({language}): a feed has one language, here {languages[0]}")
            continue
        item = catalog[item_id]
        titles = [*_texts(group, _HEADLINES), item.title]
        texts = [*_texts(group, _DESCRIPTIONS), item.text, item.title]
        row = {
            "id": item_id,
            "title": _first(titles, META_TITLE),
            "description": _first(texts, META_TEXT),
            "availability": _availability(item),
            "condition": str(item.attributes.get("condition", "new")),
            "price": "" if item.price is None else f"{item.price:.2f} {options.currency}",
            "link": options.page(item_id),
            "image_link": options.picture(item_id, group),
            "brand": str(item.attributes.get("brand") or options.brand)[:META_BRAND],
            "custom_label_0": group[0].id,
        }
        missing = [name for name in (*_META, "brand") if not row[name]]
        missing += ["id within 100 letters"] if len(harmless(item_id)) > META_ID else []
        if missing:
            left_out.append(f"{item_id}: has no {', '.join(missing)}")
        else:
            rows.append([row[name] for name in header])
    return Exported(csv_text(header, rows), len(rows), left_out)


def _first(texts: Sequence[str], most: int) -> str:
    return next((text for text in texts if text and len(harmless(text)) <= most), "")


def _availability(item: Item) -> str:
    known = item.attributes.get("in_stock", True)
    return "in stock" if known not in (False, 0, "false", "no") else "out of stock"


def _json(ads: Sequence[Ad], catalog: Catalog, options: ExportOptions) -> Exported:
    """Everything, for programs."""
    values = [
        {
            **ad.to_dict(),
            "item_title": catalog[ad.item].title,
            "price": catalog[ad.item].price,
            "link": options.page(ad.item) if options.link else None,
            **({"files": list(options.files[ad.id])} if ad.id in options.files else {}),
        }
        for ad in ads
    ]
    whole = {"campaign": options.campaign, "currency": options.currency, "ads": values}
    return Exported(f"{json.dumps(whole, indent=1, ensure_ascii=False)}\n", len(ads))


PLATFORMS: Mapping[str, Callable[[Sequence[Ad], Catalog, ExportOptions], Exported]] = {
    "google": _google,
    "performance-max": _performance_max,
    "meta": _meta,
    "json": _json,
}
