"""The way of a fine-tuning recipe: load the data, teach a model, judge it beside its base."""

from __future__ import annotations

from contextlib import nullcontext

from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.stages import finetune_copy_clicks, finetune_image_lora
from genrec.stages.finetune_copywriter import finetune
from genrec.stages.judge import Judgement
from genrec.stages.prepare import load_data
from genrec.stages.run import Observer, Run
from genrec.stages.run_folder import check_recipe
from genrec.training.company import ALONE, Company
from genrec.training.image_lora_options import ImageLoraConfig
from genrec.training.sharding import wants_sharding
from genrec.workspace import Workspace


def run_finetuning(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None
) -> Judgement | None:
    """Runs a fine-tuning recipe in a workspace; what is up to date there is used again.

    Where several processes were launched, they train an image adapter together; all else is the
    main one's.

    Returns:
        ``None`` in all but the main process.

    Raises:
        ConfigError: the processes do not find each other, or cannot share the batches.
    """
    if recipe.finetune is None:
        raise ConfigError(f"The recipe {recipe.name} has no section 'finetune'.")
    check_recipe(recipe, workspace)
    company = Company.of_environment()
    if recipe.finetune.image_lora is None:
        company = ALONE
    else:
        _join(company, recipe.finetune.image_lora)
    watched = observer if observer is not None and company.main else Observer()
    run = Run(recipe, workspace, watched, company=company)
    with workspace.lock() if company.main else nullcontext():
        dataset = load_data(run)
        if company.main:
            workspace.record("recipe", recipe.model_dump(mode="json"))
        if recipe.finetune.image_lora is not None:
            return finetune_image_lora.finetune(run, dataset, recipe.finetune.image_lora)
        if recipe.finetune.copy_clicks is not None:
            return finetune_copy_clicks.finetune(run, dataset, recipe.finetune.copy_clicks)
        assert recipe.finetune.copywriter is not None
        return finetune(run, dataset, recipe.finetune.copywriter)


def _join(company: Company, options: ImageLoraConfig) -> None:
    company.check_batch(options.train_batch_size, "finetune.image_lora.train_batch_size")
    if not company.alone and wants_sharding():
        raise ConfigError(
            "An adapter is so small that nothing of it is sharded: launch image_lora by ddp.yaml."
        )
    company.join()
