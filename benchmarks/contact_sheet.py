"""Twenty-four finished ads of the toy shop on one sheet: drawn products, real copy, drawn scenes.

For each of some shoppers: the unchosen product that suits them best, copy by the copywriter in rank
mode from their own history, a scene in the colour they like, the product locked into it, laid out
for a placement. Nothing is chosen by hand but the list of placements and languages. For languages
that the copywriter does not speak, three ads show the lines of ``LINES``, translated by hand.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness import Figures, report
from genrec.creatives.copy import CopyBrief, CopyRequest
from genrec.creatives.copywriter import Copywriter
from genrec.creatives.layout import Content, Layout, Poster, lay_out
from genrec.creatives.product import Shadow, cut_out, draw_scene, staged
from genrec.creatives.product.scenes import HUNG_SETS, STANDING_SETS
from genrec.data.catalog import Item
from genrec.data.dataset import Dataset
from genrec.data.toy_pictures import COLOURS, draw
from genrec.data.toy_shop import match
from genrec.profiles.build import build_profiles
from genrec.profiles.profile import UserProfile

SHEET = Path(__file__).parents[1] / "docs" / "ads.webp"
BRAND = "Haus & Hain"
HUNG = ("shirt", "cushion")
# Placement, style, tone and language of each ad, in the sheet's order.
PLAN = (
    ("square", "studio", "deep", "en"), ("square", "bloom", "", "en"),
    ("square", "card", "paper", "de"), ("square", "editorial", "paper", "fr"),
    ("portrait", "bloom", "", "en"), ("portrait", "studio", "pale", "es"),
    ("portrait", "editorial", "pale", "en"), ("portrait", "card", "deep", "ja"),
    ("story", "bloom", "", "de"), ("story", "card", "paper", "en"),
    ("story", "studio", "vivid", "ar"), ("story", "editorial", "paper", "en"),
    ("landscape", "studio", "deep", "en"), ("landscape", "bloom", "", "fr"),
    ("landscape", "card", "paper", "he"), ("landscape", "editorial", "paper", "en"),
    ("landscape", "studio", "pale", "de"), ("landscape", "card", "deep", "es"),
    ("leaderboard", "studio", "deep", "en"), ("leaderboard", "card", "paper", "de"),
    ("leaderboard", "editorial", "paper", "fr"), ("leaderboard", "bloom", "", "en"),
    ("leaderboard", "studio", "pale", "es"), ("leaderboard", "card", "deep", "en"),
)  # fmt: skip
DISCLOSURES = {"en": "Sponsored", "de": "Anzeige", "fr": "Sponsorisé", "es": "Publicidad",
    "ja": "広告", "ar": "إعلان ممول", "he": "ממומן"}  # fmt: skip
PRICES = {"en": "${:.2f}", "de": "{:.2f} €", "fr": "{:.2f} €", "es": "{:.2f} €", "ja": "¥{:.0f}",
    "ar": "{:.2f} $", "he": "₪{:.0f}"}  # fmt: skip
KINDS = {
    "ja": {"mug": "マグカップ", "lamp": "ランプ", "bag": "バッグ", "shirt": "シャツ",
        "cushion": "クッション", "vase": "花瓶"},
    "ar": {"mug": "كوب", "lamp": "مصباح", "bag": "حقيبة", "shirt": "قميص", "cushion": "وسادة",
        "vase": "مزهرية"},
    "he": {"mug": "ספל", "lamp": "מנורה", "bag": "תיק", "shirt": "חולצה", "cushion": "כרית",
        "vase": "אגרטל"},
}  # fmt: skip
# Headline, text and call for languages without phrases; {kind} and {series} are the item's own.
LINES = {
    "ja": ("{kind}「{series}」", "お気に入りの色で、毎日をもっと心地よく。", "今すぐ見る"),
    "ar": ("{kind} {series}", "بلونك المفضل، لأيام أجمل في بيتك.", "تسوق الآن"),
    "he": ("{kind} {series}", "בצבע שאהבתם, לבית נעים יותר בכל יום.", "לצפייה בחנות"),
}


def ads(*, quick: bool, workers: int) -> list[tuple[Poster, bool]]:
    """The posters, with whether each fell back to a plain background."""
    shop = Dataset.load("toy_shop", items=200, shoppers=120)
    profiles = build_profiles(shop)
    tastes = {row["user_id"]: row for row in shop.extras["tastes"].iter_rows(named=True)}
    oracle = {row["item_id"]: row for row in shop.extras["oracle"].iter_rows(named=True)}
    scores = match(shop)
    writer = Copywriter()
    used: set[str] = set()
    jobs = []
    kinds: dict[str, int] = {}
    for number, (name, style, tone, language) in enumerate(PLAN[:: 6 if quick else 1]):
        user = str(shop.users[number * 5])
        best = np.argsort(-scores[number * 5], kind="stable")
        ids = [str(shop.catalog.ids[place]) for place in best[:40]]
        # Variety on one sheet: no product twice, no kind more often than the others need.
        item_id = min(
            (one for one in ids if one not in used),
            key=lambda one: (kinds.get(oracle[one]["kind"], 0), ids.index(one)),
        )
        used.add(item_id)
        seen = oracle[item_id]
        kinds[seen["kind"]] = kinds.get(seen["kind"], 0) + 1
        item = shop.catalog[item_id]
        liked = [one for one in tastes[user]["colours"] if one != seen["colour"]]
        colour = COLOURS[(liked or [*tastes[user]["colours"]])[0]]
        layout = Layout.load(name, style=style, tone=tone, language=language, seed=number)
        texts = _texts(writer, item, profiles[user], language, seen["kind"], number)
        jobs.append((seen, colour, layout, number, texts))
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return pool.starmap(_ad, jobs, chunksize=1)


def _texts(
    writer: Copywriter, item: Item, profile: UserProfile | None, language: str, kind: str, seed: int
) -> dict[str, str]:
    assert item.price is not None
    price = PRICES[language].format(item.price * (150 if language == "ja" else 1))
    if language in ("de", "fr", "es"):
        price = price.replace(".", ",")
    shared = {"price": price, "disclosure": DISCLOSURES[language], "language": language}
    if language in LINES:
        headline, body, call = LINES[language]
        values = {"kind": KINDS[language][kind], "series": item.title.split()[0]}
        return {**shared, "headline": headline.format(**values), "body": body, "call": call}
    brief = CopyBrief(currency="USD" if language == "en" else "EUR")
    (copy,) = writer.write(
        [CopyRequest(item, profile, "email", brief, language=language, tone="warm", seed=seed)]
    )
    return {
        **shared,
        "headline": copy.fields["headline"],
        "body": _about(copy.fields["body"], price),
        "call": copy.fields["button"],
    }


def _about(body: str, price: str) -> str:
    """The copy's first two sentences that do not say the price, which the ad prints beside."""
    digits = "".join(letter for letter in price if letter.isdigit())
    sentences = [one.strip() for one in body.replace("\n", " ").split(". ") if one.strip()]
    kept = [
        one.rstrip(".")
        for one in sentences
        if digits not in "".join(letter for letter in one if letter.isdigit())
    ]
    return ". ".join(kept[:2]) + "." if kept else ""


def _ad(
    seen: dict[str, Any],
    colour: tuple[int, int, int],
    layout: Layout,
    seed: int,
    texts: dict[str, Any],
) -> tuple[Poster, bool]:
    kind = seen["kind"]
    picture = draw(kind, seen["colour"], seen["pattern"], seed=seen["image_seed"], side=480)
    photo = np.asarray(picture)
    width, height = layout.picture_size
    left, _, right, _ = layout.product_box
    hung = kind in HUNG
    sets = HUNG_SETS if hung else STANDING_SETS

    def scene(attempt: int) -> np.ndarray:
        return draw_scene(
            colour,
            (width, height),
            seed=seed * 31 + attempt,
            horizon=1.2 if hung else layout.horizon,
            middle=(left + right) / 2 / width,
            backdrop=sets[(seed + attempt) % len(sets)],
        )

    made = staged(
        cut_out(photo),
        scene,
        size=(width, height),
        box=layout.product_box,
        shadow=Shadow(stands=not hung),
    )
    content = Content(picture=made.locked.pixels, brand=BRAND, seed=seed, **texts)
    return lay_out(content, layout), made.plain


def sheet_of(posters: list[Poster], width: int = 1600, gap: int = 24) -> np.ndarray:
    """The posters in rows of one placement each, on a light ground."""
    ground = (236, 235, 232)
    rows: list[list[Image.Image]] = []
    across = {"square": 4, "portrait": 4, "story": 4, "landscape": 3, "leaderboard": 2}
    for name, many in across.items():
        those = [one for one in posters if one.layout == name]
        for start in range(0, len(those), many):
            part = those[start : start + many]
            wide = (width - gap * (many + 1)) // many
            rows.append([_scaled(one.pixels, wide) for one in part])
    height = gap + sum(max(one.height for one in row) + gap for row in rows)
    sheet = Image.new("RGB", (width, height), ground)
    y = gap
    for row in rows:
        x = gap
        for one in row:
            sheet.paste(one, (x, y))
            x += one.width + gap
        y += max(one.height for one in row) + gap
    return np.asarray(sheet)


def _scaled(pixels: np.ndarray, width: int) -> Image.Image:
    size = width, round(pixels.shape[0] * width / pixels.shape[1])
    return Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four ads, and no file is written")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--into", type=Path, default=SHEET)
    parser.add_argument("--each", type=Path, help="a folder for every ad in full size")
    options = parser.parse_args()
    start = time.perf_counter()
    made = ads(quick=options.quick, workers=options.workers)
    figures: Figures = {
        "ads": len(made),
        "plain_backgrounds": sum(plain for _, plain in made),
        "least_contrast": round(
            min(check.value for one, _ in made for check in one.checks if "contrast" in check.name),
            2,
        ),
        "shortened": sum(bool(one.notes) for one, _ in made),
        "seconds": round(time.perf_counter() - start, 1),
    }
    if not options.quick:
        sheet = Image.fromarray(sheet_of([one for one, _ in made]))
        sheet.save(options.into, "WEBP", quality=84, method=6)
        figures["sheet_kilobytes"] = round(options.into.stat().st_size / 1024)
    if options.each:
        options.each.mkdir(parents=True, exist_ok=True)
        for number, (one, _) in enumerate(made):
            one.save(options.each / f"{number:02d}-{one.layout}-{one.style}.png")
    report(figures)


if __name__ == "__main__":
    main()
