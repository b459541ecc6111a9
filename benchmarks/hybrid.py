"""What each signal of a hybrid gives: one trained recommender, judged with parts of it left out.

Takes the workspaces that ``benchmarks.quality`` leaves of ``tiger14``, seed 0; nothing is trained.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from benchmarks.harness import Figures, arguments, not_measured, report
from benchmarks.quality import DOMAINS, QUICK_USERS, RUNS
from genrec.data.dataset import Holdout
from genrec.evaluation.controls import training_counts
from genrec.evaluation.evaluate import measure, select_cases
from genrec.evaluation.protocol import Protocol
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.hybrid import Hybrid
from genrec.stages.judge import protocol
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Observer, Run
from genrec.workspace import Workspace

# Which of the codes, the transitions, the bonus of new items and own counts join the dense ranking.
# The bonus was chosen for new items beside transitions, which they have none of.
PARTS = {
    "dense": (0, 0, 0, 0),
    "dense_codes": (1, 0, 0, 0),
    "dense_transitions": (0, 1, 0, 0),
    "all_but_bonus": (1, 1, 0, 1),
    "all": (1, 1, 1, 1),
}


def parts_of(
    recommender: GenerativeRecommender, hybrid: Hybrid, cases: Holdout, rules: Protocol
) -> Figures:
    """R@10 and NDCG@10 with parts of the signals, and of the codes alone."""
    chosen = hybrid.weights
    found: Figures = {}

    def judge(name: str) -> None:
        result = measure(recommender, cases, rules)
        for metric in ("recall", "ndcg"):
            found[f"{name}_{metric}10"] = round(result.estimates[f"{metric}@10"].mean, 4)
        print(name, found[f"{name}_recall10"], found[f"{name}_ndcg10"], file=sys.stderr)

    for name, kept in PARTS.items():
        hybrid.weights = [part * weight for part, weight in zip(kept, chosen, strict=True)]
        judge(name)
    hybrid.weights = chosen
    recommender.hybrid = None
    judge("codes")
    return found


def main() -> None:
    """Every domain, where it was trained."""
    quick = arguments(__doc__ or "").quick
    figures: Figures = {}
    rules: dict[str, str] = {}
    ending = "-generative-tiger14-0"
    trained = sorted(path.name.removesuffix(ending) for path in RUNS.glob(f"*{ending}"))
    for domain in dict.fromkeys((*DOMAINS, *trained)):
        folder = RUNS / f"{domain}{ending}"
        if not (folder / "recommender").exists():
            reason = f"python -m benchmarks.quality --domains {domain} has not trained it"
            figures |= not_measured(f"{domain}_all_ndcg10", reason)
            continue
        workspace = Workspace(folder)
        run = Run(Recipe.parse(workspace.run["recipe"]), workspace, Observer())
        dataset, recommender = open_recommender(run)
        if not isinstance(recommender, GenerativeRecommender) or recommender.hybrid is None:
            figures |= not_measured(f"{domain}_all_ndcg10", "the recommender is no hybrid")
            continue
        train, test = dataset.split("last-out")
        said = replace(protocol(run), name=domain)
        cases, _ = select_cases(test, said, training_counts(train, said))
        if quick:
            cases = cases.take(np.arange(min(QUICK_USERS, len(cases))))
        weights = recommender.hybrid.generate, recommender.hybrid.follow
        figures |= {
            f"{domain}_weight_codes": weights[0],
            f"{domain}_weight_transitions": weights[1],
        }
        found = parts_of(recommender, recommender.hybrid, cases, said)
        figures |= {f"{domain}_{key}": value for key, value in found.items()}
        rules[domain] = str(said)
    report(figures, rules=rules, users=QUICK_USERS if quick else "all")


if __name__ == "__main__":
    main()
