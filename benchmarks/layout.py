"""Layouts and locked products, measured by checks that share no code with what is measured.

``layout_failures``: over random layouts (placement, style, tone, language, lengths, pictures made
to be hard), posters whose text leaves its box, lies over other text, was lost, has a contrast below
4.5:1 anywhere behind its letters, or stands over the product's place. The check reads the poster's
SVG and pixels alone, draws its letters apart, takes boxes from the template files, and has its own
formula of contrast. What ``lay_out`` refuses with a report is no poster: ``refused`` says how many.

``locked_pixels_unchanged``: over random products, sizes and placements, the share of product pixels
outside of the feather band that are bit-equal to the placed cut-out; and, where nothing had to be
resampled, to the photo. ``resampling_off_by``: how far placed pixels lie from a resampling that is
written here again, in 1/255.
"""

from __future__ import annotations

import argparse
import io
import random
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import resvg_py
import yaml
from PIL import Image

import genrec.creatives.layout as layout_room
from benchmarks.cases import layouts as cases
from benchmarks.harness import Figures, report
from genrec.creatives.layout import Content, Layout, Poster, lay_out
from genrec.creatives.product import CutOut, Shadow, lock
from genrec.errors import InputError

TEMPLATES = Path(layout_room.__file__).with_name("templates")
GROUP = re.compile(r'<g data-field="(\w+)"[^>]*?fill="(#\w{6})">(.*?)</g>', re.DOTALL)
RTL = ("ar", "he", "fa")


def pixels_of(svg: str) -> np.ndarray:
    png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA")).astype(np.int16)


def luminance(colours: np.ndarray) -> np.ndarray:
    """WCAG 2.2's relative luminance, written from its text."""
    share = colours / 255.0
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return light[..., 0] * 0.2126 + light[..., 1] * 0.7152 + light[..., 2] * 0.0722


def boxes_of(poster: Poster, language: str) -> dict[str, tuple[int, int, int, int]]:
    """Where the template file says that each text may stand."""
    template = yaml.safe_load((TEMPLATES / f"{poster.style}.yaml").read_text())
    width = poster.pixels.shape[1]
    found = {}
    for stack in template["formats"][poster.layout]["stacks"]:
        left, top, right, bottom = stack["box"]
        if language.split("-")[0] in RTL:
            left, right = width - right, width - left
        for part in stack["order"]:
            for field in ("price", "call") if part == "actions" else (part,):
                found[field] = (left, top, right, bottom)
    return found


def failures(poster: Poster, content: Content) -> list[str]:
    """What is wrong with a poster, by its files alone."""
    height, width = poster.pixels.shape[:2]
    groups = {name: (fill, body) for name, fill, body in GROUP.findall(poster.graphics)}
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
    # Each text as a group of its own code and a share of opacity: overlaps add up.
    codes = {name: 40 * (number + 1) for number, name in enumerate(groups)}
    apart = "".join(
        f'<g opacity="0.4" fill="#{codes[name]:02x}0000">{body}</g>'
        for name, (_, body) in groups.items()
    )
    drawn = pixels_of(f"{head}{apart}</svg>")
    shapes = pixels_of(GROUP.sub("", poster.graphics))
    problems = []
    if (drawn[..., 3] > 0.45 * 255).any():
        problems.append("two texts lie over each other")
    boxes = boxes_of(poster, content.language)
    if "button" in poster.boxes:
        left, top, right, bottom = poster.boxes["button"]
        stack = boxes["call"]
        if left < stack[0] or right > stack[2] or top < stack[1] or bottom > stack[3]:
            problems.append("the button leaves its stack")
        boxes["call"] = (left, top, right, bottom)
    for name, (fill, body) in groups.items():
        mask = (drawn[..., 3] > 0) & (np.abs(drawn[..., 0] - codes[name]) <= 12)
        rows, columns = np.nonzero(mask)
        if not rows.size:
            problems.append(f"{name} is not drawn")
            continue
        left, top, right, bottom = boxes[name]
        if (
            columns.min() < left
            or columns.max() >= right
            or rows.min() < top
            or rows.max() >= bottom
        ):
            problems.append(f"{name} leaves its box")
        ink = np.array([int(fill[at : at + 2], 16) for at in (1, 3, 5)])
        share = shapes[mask][:, 3:] / 255
        behind = shapes[mask][:, :3] * share + poster.ground[mask] * (1 - share)
        own, ground = luminance(ink), luminance(behind)
        worst = (np.maximum(own, ground) + 0.05) / (np.minimum(own, ground) + 0.05)
        if worst.min() < 4.5:
            problems.append(f"contrast of {name} is {worst.min():.2f}")
        # Drawn again without opacity: a layer of its own rounds edges in another way.
        solid = pixels_of(f'{head}<g fill="{fill}">{body}</g></svg>')[..., 3] == 255
        if (np.abs(poster.pixels[solid].astype(int) - ink) > 4).any():
            problems.append(f"{name} is not what the SVG shows")
    problems += lost(poster, content, groups)
    left, top, right, bottom = poster.boxes["product"]
    inside = np.s_[top:bottom, left:right]
    if (poster.pixels[inside] != poster.ground[inside]).any():
        problems.append("something is drawn over the product's place")
    return problems


def lost(poster: Poster, content: Content, groups: dict[str, tuple[str, str]]) -> list[str]:
    """Texts that are not whole, or shortened where they may not be."""
    problems = []
    for text in poster.texts:
        given = "".join(getattr(content, text.field).split())
        shown = "".join("".join(text.lines).split())
        if text.field == "body":
            given, shown = given[: len(shown) - 1], shown[:-1]
        if given.casefold() != shown.casefold():
            problems.append(f"{text.field} lost something")
    for field in ("headline", "price", "call", "disclosure"):
        if getattr(content, field) and field not in groups:
            problems.append(f"{field} is missing")
    return problems


def random_content(number: int) -> tuple[Content, Layout]:
    rng, numbers = random.Random(number), np.random.default_rng(number)
    language = rng.choice(cases.LANGUAGES)
    layout = Layout.load(
        rng.choice(Layout.names()),
        style=rng.choice(Layout.styles()),
        tone=rng.choice(("deep", "pale", "paper", "vivid")),
        language=language,
    )
    narrow = layout.name == "leaderboard"
    size = layout.picture_size
    if rng.random() < 0.2:
        size = rng.randint(40, 900), rng.randint(40, 900)
    logo = None
    if rng.random() < 0.2:
        logo = numbers.integers(0, 256, (rng.randint(10, 90), rng.randint(10, 400), 4), np.uint8)
    content = Content(
        headline=cases.sentence(rng, language, rng.randint(1, 5 if narrow else 9)),
        body=cases.sentence(rng, language, rng.randint(0, 40)) if rng.random() < 0.9 else "",
        price=rng.choice(cases.PRICES) if rng.random() < 0.85 else "",
        call=rng.choice(cases.CALLS[language]) if rng.random() < 0.9 else "",
        disclosure=cases.DISCLOSURES.get(language, "Ad") if rng.random() < 0.9 else "",
        brand=rng.choice(("Nordlys", "Haus & Heim", "Maison Élan", "")),
        logo=logo,
        language=language,
        picture=cases.picture(numbers, size),
        seed=number,
    )
    return content, layout


def measure_layouts(count: int, *, first: int = 0) -> Figures:
    """Failures over so many random layouts, refusals, and how long one takes."""
    found: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    seconds = []
    failed = posters = shortened = 0
    for number in range(first, first + count):
        content, layout = random_content(number)
        start = time.perf_counter()
        try:
            poster = lay_out(content, layout)
        except InputError as error:
            refused[layout.name] += 1
            if not error.problems:
                found["refused without a reason"] += 1
                failed += 1
            continue
        seconds.append(time.perf_counter() - start)
        posters += 1
        shortened += bool(poster.notes)
        problems = failures(poster, content)
        failed += bool(problems)
        for problem in problems:
            found[problem] += 1
            print(f"{number}: {layout.name}/{layout.style} {content.language}: {problem}")
        if number % 50 == 49:
            done = f"{number - first + 1} of {count}"
            print(f"{done}: {failed} failed, {sum(refused.values())} refused", flush=True)
    return {
        "layouts": count,
        "layout_failures": failed,
        "layout_failure_kinds": dict(found.most_common(10)),
        "posters": posters,
        "refused": dict(refused),
        "body_shortened_or_left_out": shortened,
        "lay_out_p50_ms": round(float(np.median(seconds)) * 1000, 1),
    }


def random_product(rng: np.random.Generator) -> CutOut:
    """A blob of random colours with a soft edge, or a hard-edged one."""
    height, width = (int(side) for side in rng.integers(30, 240, 2))
    y, x = np.mgrid[0:height, 0:width]
    turn = np.arctan2(y - height / 2, x - width / 2)
    reach = 0.75 + 0.2 * np.sin(turn * int(rng.integers(2, 7)) + rng.uniform(0, 6))
    far = np.hypot((x - width / 2) / (width / 2), (y - height / 2) / (height / 2))
    soft = float(rng.choice([1e-6, 0.03, 0.12]))
    alpha = np.clip((reach - far) / soft + 0.5, 0, 1)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return CutOut(pixels, np.round(alpha * 255).astype(np.uint8), "given alpha")


def resampled_again(pixels: np.ndarray, alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    share = pixels / 255.0
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cover = alpha / 255.0

    def scaled(values: np.ndarray) -> np.ndarray:
        plane = Image.fromarray(values.astype(np.float32))
        return np.asarray(plane.resize(size, Image.Resampling.LANCZOS), np.float64)

    weight = np.maximum(scaled(cover), 1e-3)
    out = np.stack([scaled(light[..., k] * cover) / weight for k in range(3)], axis=2).clip(0, 1)
    return 255 * np.where(out <= 0.0031308, out * 12.92, 1.055 * out ** (1 / 2.4) - 0.055)


def eroded(mask: np.ndarray, steps: int) -> np.ndarray:
    """Pixels all of whose neighbours within a square of so many steps are in the mask."""
    padded = np.pad(mask, steps, mode="edge")
    height, width = mask.shape
    out = np.ones_like(mask)
    for down in range(2 * steps + 1):
        for right in range(2 * steps + 1):
            out &= padded[down : down + height, right : right + width]
    return out


def measure_lock(count: int) -> Figures:
    """Product pixels that came through, over so many random products and placements."""
    equal = total = exact = exact_total = 0
    off = 0.0
    for number in range(count):
        rng = np.random.default_rng(number)
        product = random_product(rng)
        rows, columns = np.nonzero(product.alpha >= 8)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        size = int(rng.integers(60, 420)), int(rng.integers(60, 420))
        background = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        corner = rng.integers(-40, 120, 2)
        wide, tall = (int(side) for side in rng.integers(24, 300, 2))
        if number % 3 == 0:
            wide, tall = int(right - left), int(bottom - top)
        box = (int(corner[0]), int(corner[1]), int(corner[0]) + wide, int(corner[1]) + tall)
        feather = int(rng.integers(0, 6))
        shadow = Shadow(stands=bool(rng.integers(0, 2)))
        locked = lock(product, background, box=box, feather=feather, shadow=shadow)
        x0, y0, x1, y1 = locked.placed_box
        inner = eroded(locked.placed.alpha == 255, feather + 1)
        see = np.zeros_like(inner)
        see[max(0, -y0) : max(0, size[1] - y0), max(0, -x0) : max(0, size[0] - x0)] = True
        rows, columns = np.nonzero(inner & see)
        same = (locked.pixels[rows + y0, columns + x0] == locked.placed.pixels[rows, columns]).all(
            axis=1
        )
        equal, total = equal + int(same.sum()), total + len(same)
        photo = product.pixels[top:bottom, left:right]
        if (x1 - x0, y1 - y0) == (right - left, bottom - top):
            same = (locked.pixels[rows + y0, columns + x0] == photo[rows, columns]).all(axis=1)
            exact, exact_total = exact + int(same.sum()), exact_total + len(same)
        elif len(rows):
            again = resampled_again(
                photo, product.alpha[top:bottom, left:right], (x1 - x0, y1 - y0)
            )
            apart = np.abs(again - locked.placed.pixels)[rows, columns]
            off = max(off, float(apart.max()))
    return {
        "products_locked": count,
        "locked_pixels_unchanged": equal / total,
        "locked_pixels": total,
        "photo_pixels_unchanged_at_own_size": exact / exact_total,
        "photo_pixels_at_own_size": exact_total,
        "resampling_off_by": round(off, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--layouts", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first random layout")
    options = parser.parse_args()
    count = options.layouts or (120 if options.quick else 5000)
    figures = {
        **measure_lock(200 if options.quick else 2000),
        **measure_layouts(count, first=options.first),
    }
    report(figures, contrast="WCAG 2.2, worst pixel behind the letters", least=4.5)


if __name__ == "__main__":
    main()
