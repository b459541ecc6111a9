"""The training stage of the recommender that predicts all codes in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from genrec.data.dataset import Dataset, Holdout
from genrec.decoding.options import DecodeConfig
from genrec.encoders.loading import model_facts
from genrec.evaluation.metrics import distinct_targets, hit_matrix, ndcg
from genrec.llm.adapt import earlier, in_use
from genrec.prompting import PromptLibrary
from genrec.recommenders.one_pass import OnePassRecommender
from genrec.semantic_ids.index import SemanticIndex
from genrec.stages.run import Run, Stage
from genrec.stages.validation import ValidationUsers
from genrec.training.options import FitConfig
from genrec.workspace import seal_of


def train_one_pass(run: Run, training: Dataset, index: SemanticIndex) -> OnePassRecommender:
    """The recipe's LLM with a head for each code; a killed run goes on from its checkpoint."""
    recipe = run.recipe
    assert recipe.one_pass is not None
    run.key(
        "recommender",
        "one-pass",
        training.fingerprint,
        run.keys["semantic_ids"],
        asdict(replace(recipe.generative, decode=DecodeConfig())),
        asdict(recipe.one_pass),
        PromptLibrary().hash(recipe.prompt.template),
        model_facts(recipe.llm.name),
        [recipe.evaluate.refit, recipe.evaluate.split, recipe.evaluate.validation_users],
        *([seal_of(earlier(in_use(recipe.llm).start_from))] if recipe.llm.start_from else []),
    )
    with run.stage(f"Train {recipe.llm.name}, all codes in one pass", together=True) as stage:
        stage.reused = run.is_current("recommender")
        if stage.reused:
            recommender = OnePassRecommender.load(run.path("recommender"), training.catalog)
            recommender.decode_by(recipe.decode)
            stage.note = f"{recommender.network.trained_parameters:,} trained numbers"
            return recommender
        recommender = _chosen(run, training, index, stage)
        assert recommender.fitted is not None
        if run.company.main:
            with run.write("recommender", dataset=run.keys["dataset"]) as folder:
                recommender.write(folder)
        stage.note = recommender.fitted.told
        stage.note += f", {recommender.network.trained_parameters:,} trained numbers"
    return recommender


def _chosen(run: Run, training: Dataset, index: SemanticIndex, stage: Stage) -> OnePassRecommender:
    """Trained for the number of steps that is best on validation cases, if the recipe has any."""
    recipe, config = run.recipe, run.recipe.generative

    def trained(
        data: Dataset, fit: FitConfig, place: str, cases: Holdout | None = None, title: str = ""
    ) -> OnePassRecommender:
        return OnePassRecommender.train(
            config.backbone,
            data,
            index,
            one_pass=recipe.one_pass,
            config=replace(config, fit=fit),
            folder=run.workspace.folder / "checkpoints" / place,
            validate=None if cases is None else _ndcg10(cases),
            progress=stage.training(title),
        )

    if not config.fit.validate_every:
        return trained(training, config.fit, "fit")
    fitting, validation = training.split(recipe.evaluate.split)
    cases = ValidationUsers.drawn(recipe, validation).choosing()
    chosen = trained(fitting, config.fit, "fit", cases)
    if not recipe.evaluate.refit:
        return chosen
    assert chosen.fitted is not None
    steps = chosen.fitted.best_step or config.fit.steps
    again = replace(config.fit, steps=steps, validate_every=0, patience=0)
    return trained(training, again, "refit", title="refit,")


def _ndcg10(cases: Holdout) -> Callable[[OnePassRecommender], float]:
    def validate(recommender: OnePassRecommender) -> float:
        hits = hit_matrix(recommender.rank(cases.histories, 10).items, cases.targets)
        return float(ndcg(hits, distinct_targets(cases.targets), 10).mean())

    return validate
