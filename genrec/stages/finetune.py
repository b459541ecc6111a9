"""The way of a fine-tuning recipe: load the data, teach a model, judge it beside its base."""

from __future__ import annotations

from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.stages import finetune_copy_clicks, finetune_image_lora
from genrec.stages.finetune_copywriter import finetune
from genrec.stages.judge import Judgement
from genrec.stages.prepare import load_data
from genrec.stages.run import Observer, Run
from genrec.workspace import Workspace


def run_finetuning(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None
) -> Judgement:
    """Runs a fine-tuning recipe in a workspace; what is up to date there is used again."""
    if recipe.finetune is None:
        raise ConfigError(f"The recipe {recipe.name} has no section 'finetune'.")
    run = Run(recipe, workspace, observer or Observer())
    with workspace.lock():
        workspace.record("recipe", recipe.model_dump(mode="json"))
        dataset = load_data(run)
        if recipe.finetune.image_lora is not None:
            return finetune_image_lora.finetune(run, dataset, recipe.finetune.image_lora)
        if recipe.finetune.copy_clicks is not None:
            return finetune_copy_clicks.finetune(run, dataset, recipe.finetune.copy_clicks)
        assert recipe.finetune.copywriter is not None
        return finetune(run, dataset, recipe.finetune.copywriter)
