"""What pictures in the prompt add to an LLM that recommends, on the toy shop.

A Llava of the shape ``tiny``, random weights, and a tower that learned from the shop's pictures
alone, no labels. Four variants of the recipe ``toy-shop``: semantic IDs of titles, or of titles and
pictures; with pictures in the prompt, or without. Colour and pattern decide what shoppers choose,
and only pictures show them. The second is judged once more with pictures hidden. All of the LLM
trains but its tower, as many steps each. ``--quick`` draws a small shop and trains ten steps.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.harness import Figures, arguments, report
from benchmarks.recipes import figures_of
from benchmarks.toy_pictures import QUICK, Size, open_shop, tower_vectors
from genrec.evaluation.evaluate import evaluate
from genrec.llm.llava import assemble_llava
from genrec.llm.presets import SCRATCH, byte_tokenizer, scratch_model
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.stages.pipeline import judged_cases, run_recipe
from genrec.stages.prepare import load_data
from genrec.stages.run import Run
from genrec.training.content_options import ViewsConfig
from genrec.workspace import Workspace

RUNS = Path("runs/seeing")
SHOWN = "llm.pictures=4"
VARIANTS = {
    "titles": (False, False),
    "titles_shown": (False, True),
    "pictures": (True, False),
    "pictures_shown": (True, True),
}
HIDDEN_OF = "titles_shown"


def seeing_llm(folder: Path, size: Size) -> Path:
    """A tower trained on the shop's pictures, and the LLM that it is joined to, made once."""
    joined = folder / "llm"
    if not (joined / "config.json").exists():
        tower_vectors(open_shop(size), ViewsConfig(side=size.side, steps=size.tower_steps), folder)
        tokenizer = byte_tokenizer()
        text = scratch_model(SCRATCH["tiny"], len(tokenizer), seed=0, attention_dropout=0.0)
        text.save_pretrained(folder / "text")
        tokenizer.save_pretrained(folder / "text")
        assemble_llava(str(folder / "text"), folder / "tower", joined)
    return joined


def recipe_of(name: str, folder: Path, size: Size, steps: int) -> Recipe:
    """The recipe of one variant."""
    drawn, shown = VARIANTS[name]
    shop = f"{{items: {size.items}, shoppers: {size.shoppers}, pictures: true}}"
    words = [
        f"data.options={shop}",
        "semantic_ids.levels=3",  # titles are alike in hundreds of items
        f"llm.name={folder / 'llm'}",
        f"train.steps={steps}",
        f"train.validate_every={max(steps // 4, 1)}",
        *([f"encode.image={{model: {folder / 'tower'}}}"] if drawn else []),
        *([SHOWN] if shown else []),
    ]
    return Recipe.load("toy-shop", words)


def hidden(recipe: Recipe, place: Workspace) -> dict[str, list[float]]:
    """The figures of a trained run whose pictures are hidden."""
    dataset = load_data(Run(recipe, place))
    trained = GenerativeRecommender.load(place.path("recommender"), dataset.catalog)
    assert trained.backbone.pictures is not None
    trained.backbone.pictures.known[:] = False
    blind = GenerativeRecommender(
        trained.backbone, dataset.catalog, trained.index, recipe.generative
    )
    test = judged_cases(recipe, dataset.split(recipe.evaluate.split)[1])
    found = evaluate(blind, test).results[0].estimates
    return {name: [one.mean, one.low, one.high] for name, one in found.items()}


def main() -> None:
    """Prints the figures."""
    quick = arguments(__doc__ or "").quick
    size, steps = (QUICK, 10) if quick else (Size(), 400)
    folder = RUNS.with_name("seeing-quick") if quick else RUNS
    seeing_llm(folder, size)
    figures: Figures = {}
    for name in VARIANTS:
        recipe, place = recipe_of(name, folder, size, steps), Workspace(folder / name)
        outcome = run_recipe(recipe, place)
        assert outcome is not None
        judged = json.loads(json.dumps(outcome.report.values["recommenders"]))
        for who, found in judged.items():
            figures |= figures_of(found, name if who == "genrec" else who)
        if name == HIDDEN_OF:
            figures |= figures_of({"figures": hidden(recipe, place)}, f"{name}_then_hidden")
    report(figures, size=repr(size), steps=steps, rules="as the recipe toy-shop says")


if __name__ == "__main__":
    main()
