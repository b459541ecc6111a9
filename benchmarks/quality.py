"""Quality: Amazon-2014 Beauty and Toys under the field's two protocols, controls first.

``tiger14`` trains on all but each user's last two items, chooses the number of steps on the last
but one, and filters nothing. ``refit14`` trains again on all but the last item for so many steps,
leaves items of the history out of the lists, and drops test cases whose item is cold or in the
history. The same two SASRecs are also shown under the two mixed rules, since published figures mix
them. Options were chosen on Beauty's validation cases and are the defaults of
``genrec.recommenders.sasrec``; Toys takes them over and chooses its own number of steps.

Another domain, ``--domains sports``, is run by Beauty's recipe with nothing else changed.

Costs about 20 minutes a training on one core, four trainings in all. They are kept in
``runs/quality`` and used again while the data and all options are the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shutil import copyfile, copytree, rmtree
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Figures, not_measured, report
from genrec.data.dataset import Dataset, Holdout
from genrec.evaluation.controls import train_control, training_counts
from genrec.evaluation.evaluate import evaluate, measure, select_cases
from genrec.evaluation.protocol import PROTOCOLS, Protocol
from genrec.recipe import Recipe
from genrec.recommenders.counts import item_counts
from genrec.recommenders.sasrec import FIT, SASRec
from genrec.recommenders.sasrec_network import SASRecConfig
from genrec.stages.pipeline import run_recipe
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Observer, Run
from genrec.training.options import FitConfig
from genrec.workspace import Workspace

DOMAINS = ("beauty", "toys")
PLAIN = ("popular", "personal", "cooccurrence")
RUNS = Path(__file__).parent.parent / "runs" / "quality"
QUICK_USERS = 3000
REFIT = [
    f"evaluate.{rule}=true"
    for rule in ("refit", "exclude_seen", "drop_cold_targets", "drop_seen_targets")
]
# Where this machine trains, and where it does not.
DEVICE, OTHER = ("gpu", "cpu") if torch.cuda.is_available() else ("cpu", "gpu")
# Keys of a whole area, and whose figure they are.
HEADLINES = {
    "p_value_vs_sasrec": "beauty_p_value_vs_sasrec",
    f"train_minutes_{DEVICE}": f"beauty_train_minutes_{DEVICE}",
}
MIXED = {
    "tiger14_filtered": replace(PROTOCOLS["tiger14"], name="tiger14-filtered", exclude_seen=True),
    "refit14_raw": Protocol("refit14-raw"),
}


def sasrec(folder: Path, train: Dataset, validation: Holdout | None, fit: FitConfig) -> SASRec:
    """A SASRec with the default network, from ``folder`` if it lies there with these options."""
    network = SASRecConfig()
    identity = {"data": train.fingerprint, "network": asdict(network), "fit": asdict(fit)}
    card = folder / "training.json"
    if card.exists() and _whole(json.loads(card.read_text())["identity"]) == identity:
        print(f"{folder.name}: trained before", file=sys.stderr)
        return SASRec.load(folder, train.catalog)
    recommender = SASRec.train(
        train,
        validation=validation,
        network=network,
        fit_config=replace(fit, checkpoint_every=300),
        folder=folder / "fit",
        progress=_progress(folder.name),
    )
    recommender.save(folder)
    trained = [asdict(result) for result in recommender.trained]
    card.write_text(json.dumps({"identity": identity, "trained": trained}))
    return recommender


def _whole(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity with today's options, those that came later at their defaults."""
    network, fit = SASRecConfig(**identity["network"]), FitConfig(**identity["fit"])
    return identity | {"network": asdict(network), "fit": asdict(fit)}


def sasrecs(domain: str, train: Dataset) -> dict[str, SASRec]:
    """The SASRec of each protocol."""
    fitted, validation = train.split("last-out")
    chosen = sasrec(RUNS / f"{domain}-tiger14", fitted, validation, FIT)
    steps = _trained(domain, "tiger14")["best_step"]
    again = replace(FIT, steps=int(steps), validate_every=0, patience=0)
    refit = sasrec(RUNS / f"{domain}-refit14", train, None, again)
    return {"tiger14": chosen, "refit14": refit}


def controls_of(domain: str, *, quick: bool) -> tuple[Figures, dict[str, Any]]:
    """Figures and whole reports of one domain's controls."""
    data = Dataset.load("amazon2014", domain=domain)
    train, test = data.split("last-out")
    if quick:
        rows = np.random.default_rng(0).permutation(len(test))[:QUICK_USERS]
        test = test.take(np.sort(rows))
    found: Figures = {}
    details: dict[str, Any] = {}
    trained = {} if quick else sasrecs(domain, train)
    for name in ("tiger14", "refit14"):
        protocol = PROTOCOLS[name]
        against: list[Any] = list(PLAIN[:-1])
        last = trained.get(name) or train_control(PLAIN[-1], train, protocol)
        if trained:
            against.append(PLAIN[-1])
        told = evaluate(last, test, against=against, protocol=protocol, train=train)
        print(f"\n{domain}: {told}", file=sys.stderr)
        details[name] = told.to_dict()
        for result in told.results:
            stem = f"{domain}_{result.name}" + ("_refit" if name == "refit14" else "")
            found[f"{stem}_recall10"] = round(result.estimates["recall@10"].mean, 4)
            found[f"{stem}_ndcg10"] = round(result.estimates["ndcg@10"].mean, 4)
    if trained:
        found |= mixed_rules(domain, train, test, trained)
        for name in trained:
            details[name]["training"] = _trained(domain, name)
    return found, details


def generative(
    domain: str, seeds: Sequence[int], train: Dataset, test: Holdout
) -> tuple[Figures, dict[str, Any]]:
    """The shipped recipe of a domain under both protocols, each seed in a workspace of its own.

    Every report compares it with the SASRec of the same protocol, user by user. Seeds are those of
    the LLM's training; all read one set of semantic IDs.
    """
    found: Figures = {}
    details: dict[str, Any] = {}
    fitted, _ = train.split("last-out")
    controls = sasrecs(domain, train)
    for name, overrides in (("tiger14", []), ("refit14", REFIT)):
        stem = domain + ("_refit" if name == "refit14" else "")
        values: dict[str, list[float]] = {}
        for seed in seeds:
            workspace = prepared(domain, name, seed)
            recipe = recipe_of(domain, [*overrides, f"train.seed={seed}"])
            run_recipe(recipe, workspace, _Watch(), until="train")
            seconds = dict(workspace.run["seconds"])
            _, recommender = open_recommender(Run(recipe, workspace, Observer()))
            protocol = replace(PROTOCOLS[name], seeds=(seed,), beam=recommender.beams)
            told = evaluate(
                recommender, test, against=[controls[name]], protocol=protocol, train=train
            )
            print(f"\n{domain}, seed {seed}: {told}", file=sys.stderr)
            ours = told.results[0].estimates
            values.setdefault("recall10", []).append(ours["recall@10"].mean)
            values.setdefault("ndcg10", []).append(ours["ndcg@10"].mean)
            values.setdefault("p_value_vs_sasrec", []).append(told.comparisons[0].p)
            values.setdefault(f"train_minutes_{DEVICE}", []).append(sum(seconds.values()) / 60)
            if name == "tiger14":
                cold = cold_cases(test, item_counts(fitted))
                values.setdefault("cold_cases", []).append(len(cold))
                if len(cold):
                    cold_recall = measure(recommender, cold, protocol).estimates["recall@10"].mean
                    values.setdefault("cold_recall10", []).append(cold_recall)
                else:
                    found |= not_measured(
                        f"{stem}_cold_recall10", "every test item was chosen before"
                    )
            details[f"{name}-{seed}"] = told.to_dict() | {"seconds": seconds}
        for key, each in values.items():
            found[f"{stem}_{key}"] = round(max(each) if key.startswith("p_") else mean(each), 4)
            if len(each) > 1 and key in ("recall10", "ndcg10"):
                found[f"{stem}_{key}_sd"] = round(stdev(each), 4)
    return found, details


def recipe_of(domain: str, overrides: list[str]) -> Recipe:
    """The recipe of a domain: its own, or that of Beauty with nothing changed but the data."""
    if domain in DOMAINS:
        return Recipe.load(domain, overrides)
    return Recipe.load(DOMAINS[0], [f"data.options.domain={domain}", *overrides])


def prepared(domain: str, protocol: str, seed: int) -> Workspace:
    """A workspace that begins with what the domain's first one has made already.

    Those are data, vectors and semantic IDs; and for a refit the training by which ``tiger14``
    chose its steps. The run itself looks at their keys, and makes again what does not fit.
    """
    folder = RUNS / f"{domain}-generative-{protocol}-{seed}"
    first = RUNS / f"{domain}-generative-tiger14-{0 if protocol == 'tiger14' else seed}"
    if not folder.exists() and (first / "semantic_ids").exists():
        begun = folder.with_name(folder.name + ".part")
        rmtree(begun, ignore_errors=True)
        begun.mkdir()
        names = ["dataset", "item_vectors", "semantic_ids"]
        if protocol != "tiger14" and (first / "checkpoints").exists():
            names.append("checkpoints")
        for name in names:
            copytree(first / name, begun / name)
        copyfile(first / "run.json", begun / "run.json")
        begun.rename(folder)
    return Workspace(folder)


def cold_cases(test: Holdout, counts: np.ndarray) -> Holdout:
    """The cases whose target nobody chose in the training events."""
    targets = np.array([one.items[0] for one in test.targets])
    return test.take(np.flatnonzero(counts[targets] == 0))


class _Watch(Observer):
    def finished(self, stage: str, note: str, seconds: float, *, reused: bool) -> None:
        print(f"{stage}: {seconds:.0f} s {'(reused)' if reused else ''} {note}", file=sys.stderr)


def mixed_rules(
    domain: str, train: Dataset, test: Holdout, trained: Mapping[str, SASRec]
) -> Figures:
    """SASRec trained by one protocol and filtered by the other."""
    found: Figures = {}
    for name, protocol in MIXED.items():
        counts = training_counts(train, protocol)
        cases, _ = select_cases(test, protocol, counts)
        result = measure(trained[name.partition("_")[0]], cases, protocol)
        found[f"{domain}_sasrec_{name}_recall10"] = round(result.estimates["recall@10"].mean, 4)
        found[f"{domain}_sasrec_{name}_ndcg10"] = round(result.estimates["ndcg@10"].mean, 4)
    return found


def _trained(domain: str, protocol: str) -> dict[str, Any]:
    """What the last training of a protocol's SASRec did."""
    stored = json.loads((RUNS / f"{domain}-{protocol}" / "training.json").read_text())
    last: dict[str, Any] = stored["trained"][-1]
    return {name: last[name] for name in ("steps", "best_step", "best_metric", "seconds")}


def _progress(name: str) -> Any:
    def draw(step: int, steps: int, loss: float) -> None:
        if step % 50 == 0:
            print(f"\r{name}: step {step} of {steps}, loss {loss:.3f} ", end="", file=sys.stderr)

    return draw


def main() -> None:
    """Measures everything that stands and names what does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="controls alone, in under a minute")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each recipe")
    parser.add_argument(
        "--domains",
        nargs="+",
        default=list(DOMAINS),
        help="whatever follows amazon2014- in a folder's name; by Beauty's recipe without its own",
    )
    options = parser.parse_args()
    figures: Figures = {}
    details: dict[str, Any] = {}
    for domain in options.domains[:1] if options.quick else options.domains:
        found, details[domain] = controls_of(domain, quick=options.quick)
        figures |= found
        if options.quick:
            for key in ("recall10", "ndcg10", "refit_recall10", "refit_ndcg10", "cold_recall10"):
                figures |= not_measured(f"{domain}_{key}", "--quick trains nothing")
        else:
            train, test = Dataset.load("amazon2014", domain=domain).split("last-out")
            found, told = generative(domain, range(options.seeds), train, test)
            figures |= found
            details[f"{domain}_generative"] = told
    for key, source in HEADLINES.items():
        if source in figures:
            figures[key] = figures[source]
        else:
            figures |= not_measured(key, "the recipe of Beauty was not trained in this run")
    reason = "needs a CUDA device" if OTHER == "gpu" else "this run trained on a GPU"
    figures |= not_measured(f"train_minutes_{OTHER}", reason)
    if options.quick:
        figures |= not_measured("beauty_sasrec_refit_recall10", "--quick trains no SASRec")
    rules = {name: str(PROTOCOLS[name]) for name in ("tiger14", "refit14")}
    rules |= {name: str(protocol) for name, protocol in MIXED.items()}
    report(figures, rules=rules, users=QUICK_USERS if options.quick else "all", reports=details)


if __name__ == "__main__":
    main()
