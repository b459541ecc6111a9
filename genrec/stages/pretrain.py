"""The way of a pretraining recipe: load the data, learn one objective, judge what was learned."""

from __future__ import annotations

from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.registry import Entry, Registry
from genrec.stages.judge import Judgement
from genrec.stages.prepare import load_data
from genrec.stages.run import Observer, Run
from genrec.stages.run_folder import check_recipe
from genrec.workspace import Workspace

# Each is a function of (run, dataset) that trains, writes its artefacts and judges them.
OBJECTIVES = Registry(
    "pretraining objective",
    {
        "content": Entry("genrec.stages.pretrain_content:pretrain", "llm"),
        "image_text": Entry("genrec.stages.pretrain_image_text:pretrain", "llm"),
        "masked_patches": Entry("genrec.stages.pretrain_masked:pretrain_patches", "llm"),
        "masked_tokens": Entry("genrec.stages.pretrain_masked:pretrain_tokens", "llm"),
        "product_diffusion": Entry("genrec.stages.pretrain_diffusion:pretrain", "diffusion"),
        "projector": Entry("genrec.stages.pretrain_projector:pretrain", "llm"),
    },
)


def run_pretraining(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None
) -> Judgement:
    """Runs a pretraining recipe in a workspace; what is up to date there is used again."""
    if recipe.pretrain is None:
        raise ConfigError(f"The recipe {recipe.name} has no section 'pretrain'.")
    check_recipe(recipe, workspace)
    run = Run(recipe, workspace, observer or Observer())
    with workspace.lock():
        dataset = load_data(run)
        workspace.record("recipe", recipe.model_dump(mode="json"))
        judgement: Judgement = OBJECTIVES.load(recipe.pretrain.objective)(run, dataset)
        return judgement
