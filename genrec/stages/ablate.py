"""What each modality adds to a run's content recommender."""

from __future__ import annotations

from dataclasses import replace

from genrec.data.dataset import Dataset
from genrec.evaluation.ablation import Ablation, ablate
from genrec.evaluation.controls import training_counts, training_part
from genrec.evaluation.evaluate import select_cases
from genrec.recipe import Recipe
from genrec.recommenders.content import ContentRecommender
from genrec.stages.fused import CONTENT
from genrec.stages.judge import protocol
from genrec.stages.pipeline import judged_cases
from genrec.stages.prepare import stored_data
from genrec.stages.pretrain_content import content_options
from genrec.stages.run import Observer, Run, Stage
from genrec.workspace import Workspace


def ablate_run(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None, *, retrain: bool = False
) -> Ablation:
    """The figures of a run's recommender with every subset of its modalities.

    Args:
        retrain: also train one recommender for each subset, as the run's own was trained.

    Raises:
        ArtefactError: the workspace has no content recommender, or it is damaged.
        ConfigError: the run's recipe has no section ``pretrain.content``.
    """
    run = Run(recipe, workspace, observer or Observer())
    content_options(run)
    with workspace.lock():
        folder = workspace.open(CONTENT) / "model"
        dataset = stored_data(run)
        recommender = ContentRecommender.load(folder, dataset.catalog)
        training, test = dataset.split(recipe.evaluate.split)
        rules = replace(protocol(run), beam=0)
        counts = training_counts(training, rules)
        cases, _ = select_cases(judged_cases(recipe, test), rules, counts)
        with run.stage("Ablate") as stage:
            again = None
            if retrain:

                def again(seen: tuple[str, ...]) -> ContentRecommender:
                    return _trained_on(run, training, recommender, seen, stage)

            found = ablate(
                recommender,
                cases,
                protocol=rules,
                retrain=again,
                progress=lambda note, done, total: stage.progress(done, total, note),
            )
            stage.note = f"{len(found.rows)} subsets, {found.users:,} users"
    return found


def _trained_on(
    run: Run,
    training: Dataset,
    recommender: ContentRecommender,
    seen: tuple[str, ...],
    stage: Stage,
) -> ContentRecommender:
    fitting, validation = training_part(training, protocol(run))
    names = [
        name for name, one in recommender.modalities.only(seen).vectors.items() if one.mask.any()
    ]
    return ContentRecommender.train(
        fitting,
        validation=validation,
        modalities={name: recommender.modalities.vectors[name] for name in names},
        config=recommender.network.settings,
        fit_config=run.recipe.train,
        folder=run.workspace.folder / "checkpoints" / f"ablation-{'-'.join(seen)}",
        progress=stage.training(f"training on {' + '.join(seen)},"),
    )
