"""The small diffusion model in the closed world of the toy shop: whose taste do its pictures meet?

Users and combinations of kind, colour and pattern that the recipe ``pretrain/product-diffusion``
holds out; pictures are read by an oracle that knows how products are drawn and shares nothing with
the model. Controls: no taste, and another user's. The model is that of a run of the recipe under
``runs/product-diffusion``, else the shipped one. Draws ``docs/product_diffusion.webp`` too.
``--quick`` paints a tenth and draws no sheet.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness import Figures, not_measured, report
from genrec.data.dataset import Dataset
from genrec.data.toy_oracle import read_picture
from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES, draw
from genrec.diffusion.painter import Painter
from genrec.diffusion.picture import PictureJob
from genrec.diffusion.small import TOY, made_by
from genrec.diffusion.taste import taste_vector
from genrec.diffusion.verifier import FOLDER as VERIFIER
from genrec.encoders.palette import PaletteEncoder
from genrec.evaluation.closed_world import judge_closed_world
from genrec.recipe import Recipe
from genrec.stages.pretrain_diffusion import (
    ARTEFACT,
    describe,
    held_out_users,
    painter_of,
    split,
    unseen_combinations,
)
from genrec.training.diffusion_options import ProductDiffusionConfig
from genrec.workspace import Workspace

RECIPE = "pretrain/product-diffusion"
HERE = Workspace("runs/product-diffusion")
PICTURES = 400
SHEET = Path(__file__).parents[1] / "docs" / "product_diffusion.webp"
IN_WORDS = (
    *("a red mug, dots", "a yellow lamp, plain", "a purple bag, checks", "a blue shirt, plain"),
    *("a teal cushion, stripes", "a green vase, stripes", "an empty scene"),
)


def oracle_errors(repeats: int) -> Figures:
    """How often the oracle misreads a clean drawing at the size that the model paints."""
    wrong, read = 0, 0
    for seed in range(repeats):
        for number, (kind, colour, pattern) in enumerate(
            itertools.product(SHAPES, COLOURS, PATTERNS)
        ):
            picture = draw(kind, colour, pattern, seed=90_000 + 1_000 * seed + number)
            seen = read_picture(np.asarray(picture.resize((64, 64))))
            wrong += (seen.kind, seen.colour, seen.pattern) != (kind, colour, pattern)
            read += 1
    return {"oracle_error": wrong / read, "oracle_drawings": read}


def draw_sheet(painter: Painter, dataset: Dataset, options: ProductDiffusionConfig) -> None:
    """``docs/product_diffusion.webp``: six shoppers who were held out, and a row of words alone."""
    vectors = PaletteEncoder().encode(dataset.catalog)
    shown = [*SHAPES, "empty scene"]
    jobs = []
    for row, user in enumerate(held_out_users(dataset, options)[:6]):
        chosen = {dataset.catalog.ids[item] for item in dataset.history(user).items.tolist()}
        taste = taste_vector(vectors, sorted(chosen))
        jobs += [
            PictureJob(f"a {kind}", seed=100 * row + place, taste=taste)
            for place, kind in enumerate(shown)
        ]
    jobs += [PictureJob(words, seed=700 + place) for place, words in enumerate(IN_WORDS)]
    sheet = Image.new("RGB", (len(shown) * 132, len(jobs) // len(shown) * 132), "white")
    for number, picture in enumerate(painter.paint(jobs)):
        down, across = divmod(number, len(shown))
        drawn = Image.fromarray(picture.pixels).resize((128, 128), Image.Resampling.LANCZOS)
        sheet.paste(drawn, (across * 132 + 2, down * 132 + 2))
    sheet.save(SHEET, quality=88, method=6)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the pictures, no sheet")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of each of four tasks")
    chosen = parser.parse_args()
    quick = chosen.quick
    recipe = Recipe.load(RECIPE)
    assert recipe.pretrain is not None
    options: ProductDiffusionConfig = recipe.pretrain.options
    figures = oracle_errors(1 if quick else 3)
    own = HERE.path(ARTEFACT).is_dir()
    model = str(HERE.open(ARTEFACT)) if own else TOY
    verifier = str(HERE.open(VERIFIER)) if own else ""
    note = made_by(model)
    if note.get("recipe") != recipe.name:
        figures |= not_measured(
            "own_vs_other_win",
            f"the model was made by {note.get('recipe')}, which held out others: run {RECIPE}",
        )
        report(figures, model=model, made_by=note)
        return
    dataset = Dataset.load(recipe.data.source, **recipe.data.options)
    described = describe(dataset, options)
    _, test = split(described, options)
    painter = painter_of(model, options, verifier=verifier)
    started = time.perf_counter()
    world = judge_closed_world(
        dataset,
        PaletteEncoder().encode(dataset.catalog),
        held_out_users(dataset, options),
        lambda jobs: [one.pixels for one in painter.paint(jobs)],
        pictures=chosen.pictures // 10 if quick else chosen.pictures,
        unseen=unseen_combinations(described, test),
    )
    figures |= {
        "own_vs_other_win": world.taste.apart,
        "own_vs_other_win_anybody": world.taste.anybody,
        "own_vs_other_win_no_taste": world.no_taste.apart,
        "own_vs_other_win_shuffled": world.shuffled.apart,
        "attributes_kept": world.attributes_kept,
        "attributes_kept_unseen": world.unseen_kept,
        "kind_kept": world.kept["kind"],
        "colour_kept": world.kept["colour"],
        "pattern_kept": world.kept["pattern"],
        "near_copies": world.near_copies,
        "near_copies_first_attempt": world.near_copies_first,
        "near_copies_apart": world.near_copies_apart,
        "near_copies_of_fresh_drawings": world.drawn_copies,
        "seconds_per_picture": (time.perf_counter() - started) / (4 * world.pictures),
    }
    if not quick:
        draw_sheet(painter, dataset, options)
    report(
        figures,
        model=model,
        made_by=note,
        pictures=world.pictures,
        steps=options.steps,
        guidance=options.guidance,
        best_of=options.best_of,
        users="held out",
    )


if __name__ == "__main__":
    main()
