"""The review page: every ad on one page that needs no server, no network and no trust in its texts.

Texts of ads, items and users stand in the page as escaped text. The one script and the one style
are files of genrec, named in the page's policy by their hashes, so that nothing else can run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import polars as pl

from genrec.creatives.ad import Ad
from genrec.creatives.ad_folder import problems_of
from genrec.creatives.channels import channel_named
from genrec.creatives.media import FILM
from genrec.creatives.media_folder import Shown, problems_of_medium
from genrec.creatives.provenance import digest
from genrec.workspace import storage_errors, write_text

ADS_OF_PAGE = 200
FIRST_PAGE = "review.html"
_HERE = Path(__file__).parent


def campaign_key(ads: Sequence[Ad]) -> str:
    """Which ads decisions speak of."""
    return digest([ad.id for ad in ads])


def write_pages(
    into: Path,
    name: str,
    ads: Sequence[Ad],
    deliveries: pl.DataFrame,
    titles: Mapping[str, str],
    decisions: Mapping[str, str] | None = None,
    media: Mapping[str, Sequence[Shown]] | None = None,
) -> list[Path]:
    """Writes ``review.html``, and further pages where there are more ads than one holds.

    Args:
        name: of the campaign.
        deliveries: who gets which ad.
        titles: of items, by id.
        decisions: what was decided so far, by ad.
        media: pictures and films, by ad, in files beside the page.
    """
    ordered = sorted(ads, key=lambda ad: (ad.item, ad.channel, ad.language))
    pages = [ordered[at : at + ADS_OF_PAGE] for at in range(0, len(ordered), ADS_OF_PAGE)] or [[]]
    whom = _recipients(deliveries)
    names = [page_name(number) for number in range(len(pages))]
    key = campaign_key(ads)
    for number, page in enumerate(pages):
        cards = [
            _card(ad, titles, whom, (decisions or {}).get(ad.id, ""), (media or {}).get(ad.id, ()))
            for ad in page
        ]
        text = _page(name, page, cards, key, names, number, len(ads))
        write_text(into / names[number], text)
    for left in into.glob("review-*.html"):
        if left.name not in names:
            with storage_errors(left):
                left.unlink(missing_ok=True)
    return [into / name for name in names]


def page_name(number: int) -> str:
    """A page's file, by its number from 0."""
    return FIRST_PAGE if number == 0 else f"review-{number + 1}.html"


def _recipients(deliveries: pl.DataFrame) -> dict[str, tuple[str, int]]:
    rows = deliveries.group_by("ad_id").agg(pl.col("recipient").first(), pl.len())
    return {ad_id: (first, count) for ad_id, first, count in rows.iter_rows()}


def policy() -> str:
    """The page's content security policy: its own script and style, and nothing else."""
    script, style = (_hash(_asset(name)) for name in ("review.js", "review.css"))
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; "
        "img-src 'self'; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _options(values: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in values
    )


def _page(
    name: str,
    ads: Sequence[Ad],
    cards: Sequence[str],
    key: str,
    names: Sequence[str],
    number: int,
    total: int,
) -> str:
    placements = [(one, one) for one in sorted({ad.channel for ad in ads})]
    languages = [(one, one) for one in sorted({ad.language for ad in ads})]
    links = ""
    if len(names) > 1:
        before = f'<a href="{names[number - 1]}" rel="prev">Page {number}</a>' if number else ""
        after = (
            f'<a href="{names[number + 1]}" rel="next">Page {number + 2}</a>'
            if number + 1 < len(names)
            else ""
        )
        links = (
            f'<nav class="pages" aria-label="Pages">{before}'
            f"<span>Page {number + 1} of {len(names)}</span>{after}</nav>"
        )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Review of {escape(name)}</title>
<style>{_asset("review.css")}</style>
</head>
<body data-campaign="{key}">
<a class="skip" href="#ads">To the ads</a>
<header><div class="bar">
<div class="head"><h1>{escape(name)}</h1>
<span class="sub">{total:,} ads</span><span class="sub" id="counts"></span></div>
<div class="meter" aria-hidden="true"><span class="yes" id="meter-yes"></span>\
<span class="no" id="meter-no"></span></div>
<div class="tools" role="search" aria-label="Filters">
<label class="wide">Words in the ad<input id="search" type="search" autocomplete="off"></label>
<label>Placement<select id="placement">{_options([("", "all"), *placements])}</select></label>
<label>Language<select id="language">{_options([("", "all"), *languages])}</select></label>
<label>Decision<select id="state">{_options(_STATES)}</select></label>
<label>Remarks<select id="flag">{_options(_FLAGS)}</select></label>
<button class="main" id="download" type="button">Download decisions</button>
</div>
<p class="keys">{_KEYS} <span id="said" class="said" role="status"></span></p>
<noscript><p class="keys">Without scripts the ads can be read, and not decided on.</p></noscript>
</div></header>
<main id="ads" tabindex="-1">
<div class="ads">
{"".join(cards)}</div>
<p class="none" id="none" hidden>No ad on this page fits the filters.</p>
{links}
</main>
<script>{_asset("review.js")}</script>
</body>
</html>
"""


_KEYS = (
    "<kbd>j</kbd> <kbd>k</kbd> next, previous · <kbd>a</kbd> approve · <kbd>r</kbd> reject · "
    "<kbd>u</kbd> undo · <kbd>/</kbd> search · <kbd>d</kbd> download"
)
_STATES = [("", "all"), ("open", "not decided"), ("approve", "approved"), ("reject", "rejected")]
_FLAGS = [("", "all"), ("plain", "none"), ("note", "notes"), ("fallback", "fallbacks")]
_FLAGS += [("failure", "failures"), ("text-only", "text only"), ("flag", "flags")]


def _card(
    ad: Ad,
    titles: Mapping[str, str],
    whom: Mapping[str, tuple[str, int]],
    decided: str,
    media: Sequence[Shown],
) -> str:
    problems = list(problems_of(ad))
    problems += [found for one in media for found in problems_of_medium(one.medium)]
    kinds = sorted({kind for kind, _ in problems})
    flags = " ".join(kind.replace(" ", "-") for kind in kinds) or "plain"
    limits = {one.name: one for one in channel_named(ad.channel).fields}
    copy = "".join(
        f"<dt><span>{escape(name.replace('_', ' '))}</span>"
        f"<span>{limits[name].length(text)} of {limits[name].most}</span></dt>"
        f'<dd dir="auto" lang="{escape(ad.language)}">{escape(text)}</dd>'
        for name, text in ad.fields.items()
        if name in limits
    )
    said = "".join(f"<li>{escape(kind)}: {escape(what)}</li>" for kind, what in problems)
    first, count = whom.get(ad.id, ("", 0))
    to = f"{first} and {count - 1:,} more" if count > 1 else first
    tags = [("tag", ad.channel), ("tag", ad.language), ("tag", f"for {to}")]
    tags += [("tag no" if kind == "failure" else "tag warn", kind) for kind in flags.split()]
    title = titles.get(ad.item, ad.item)
    label = f"Ad {ad.id[:8]}, {title}"
    chips = "".join(
        f'<span class="{kind}">{escape(text)}</span>' for kind, text in tags if text != "plain"
    )
    return f"""<article tabindex="0" aria-label="{escape(label)}" data-id="{escape(ad.id)}" \
data-placement="{escape(ad.channel)}" data-language="{escape(ad.language)}" data-flags="{flags}" \
data-state="" data-stored="{escape(decided)}">
<h2 dir="auto">{escape(title)}</h2>
<div class="tags">{chips}</div>
{_shown(media, title)}<dl class="copy">{copy or "<dt>not written</dt>"}</dl>
{f'<ul class="problems">{said}</ul>' if said else ""}
<details><summary>Where it comes from</summary>{_origin(ad)}{_media_origin(media)}</details>
<div class="decide">{_BUTTONS}<span class="state">not decided</span></div>
</article>
"""


def _shown(media: Sequence[Shown], title: str) -> str:
    """Pictures and films as the page's own files, by relative paths."""
    parts = []
    for one in media:
        medium = one.medium
        if not one.file:
            continue
        size = f'width="{medium.width}" height="{medium.height}"'
        words = escape(f"{medium.kind.capitalize()} of {title}, {medium.layout}")
        if medium.kind == FILM:
            parts.append(
                # From its first frames on, so that a browser shows one before it is played.
                f'<video src="{escape(one.file)}#t=0.1" {size} controls muted loop playsinline '
                f'preload="metadata" aria-label="{words}"></video>'
            )
        else:
            parts.append(
                f'<a href="{escape(one.file)}"><img src="{escape(one.file)}" {size} loading="lazy" '
                f'alt="{words}"></a>'
            )
    return f'<div class="media">{"".join(parts)}</div>\n' if parts else ""


def _media_origin(media: Sequence[Shown]) -> str:
    rows: list[tuple[str, str]] = []
    for one in media:
        medium = one.medium
        told = [medium.layout, medium.background, medium.source, medium.model]
        told += [
            f"seed {medium.seed}",
            f"prompt {medium.prompt_hash}" if medium.prompt_hash else "",
        ]
        rows.append((medium.kind, ", ".join(value for value in told if value)))
        rows.append(("its name", medium.id))
    shown = (f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
    return f"<dl>{''.join(shown)}</dl>" if rows else ""


_BUTTONS = "".join(
    f'<button type="button" class="{kind}" data-choice="{choice}" aria-pressed="false">'
    f"{text}</button>"
    for kind, choice, text in (("yes", "approve", "Approve"), ("no", "reject", "Reject"))
)


def _origin(ad: Ad) -> str:
    origin = ad.provenance
    rows = [
        ("ad", ad.id),
        ("item", ad.item),
        ("written by", ad.written_by),
        ("model", origin.model),
        ("adapter", origin.adapter),
        ("prompt", origin.prompt_hash),
        ("policy", origin.policy),
        ("seed", str(origin.seed)),
        ("evidence", ", ".join(origin.evidence)),
        *((str(one.get("rule", "")), str(one.get("text", ""))) for one in ad.statements),
    ]
    shown = (
        f"<dt>{escape(name)}</dt><dd dir='auto'>{escape(text)}</dd>" for name, text in rows if text
    )
    return f"<dl>{''.join(shown)}</dl>"
