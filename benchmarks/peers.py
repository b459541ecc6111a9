"""Peers: Cornac's and RecTools' recommenders on our split, judged by our metrics on the same cases.

Each package has an environment of its own (``make install-peers``), each model a process of its
own; lists come back as files. What has a number of epochs to choose is trained with each of a few
on the users' events but the last two, and judged on the last but one; the refit takes the winner
over. Cornac keeps the best epoch by itself. Our popularity, co-occurrence and SASRec stand beside.

A full run takes hours on 2 cores; what was computed lies in ``runs/peers`` and is used again.
``--models``, ``--domains`` and ``--protocols`` take some, ``--options`` so many of each grid's
options, ``--epochs`` that number of epochs in place of a choice, and ``--no-sasrec`` leaves our
SASRec out, which ``benchmarks.quality`` judges on the same cases. A quick run shows that everything
runs, on few users and without training to speak of: its figures say nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Figures, not_measured, report
from benchmarks.quality import DOMAINS, recipe_of, sasrecs
from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.encoders.base import ItemVectors
from genrec.encoders.modalities import encode_modalities, joined
from genrec.evaluation.controls import train_control
from genrec.evaluation.evaluate import evaluate, measure
from genrec.evaluation.protocol import PROTOCOLS, Protocol
from genrec.recommenders.base import NO_ITEM, Ranking, Recommender

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "peers"
RULES = ("tiger14", "refit14")
LONGEST = 20
QUICK_USERS = 400


@dataclass(frozen=True)
class Peer:
    """A model of another package.

    Attributes:
        grid: options to choose from on validation; a single one needs no choice.
        quick: options of a quick run.
    """

    package: str
    model: str
    grid: tuple[dict[str, Any], ...] = ({},)
    quick: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.package}_{self.model}"


def python_of(peer: Peer) -> Path:
    """The interpreter of a package's environment."""
    return ROOT / f".venv-{peer.package}" / "bin" / "python"


TINY = {"n_epochs": 1, "d_model": 32, "d_ff": 64, "num_enc_layers": 1, "num_dec_layers": 1}
EPOCHS = tuple({"epochs": number} for number in (20, 50, 100))
PEERS = (
    Peer("rectools", "popular"),
    Peer("rectools", "knn"),
    Peer("rectools", "ease", tuple({"regularization": r} for r in (100.0, 500.0, 2000.0))),
    Peer("rectools", "als"),
    Peer("rectools", "sasrec", EPOCHS, {"epochs": 1}),
    Peer("rectools", "bert4rec", EPOCHS, {"epochs": 1}),
    Peer("cornac", "gru4rec", ({"n_epochs": 10},), {"n_epochs": 1, "batch_size": 32}),
    Peer("cornac", "sasrec", ({"n_epochs": 20},), {"n_epochs": 1}),
    Peer("cornac", "tiger", quick=TINY | {"num_heads": 2, "val_sample": 5}),
    Peer("cornac", "rpg", quick={"n_epochs": 1, "n_codebook": 4, "pca_dim": 32}),
)


class Lists(Recommender):
    """What a peer gave back.

    Args:
        found: columns user_id, item_id, rank.
    """

    def __init__(self, name: str, catalog: Catalog, found: pl.DataFrame) -> None:
        self.name, self.catalog = name, catalog
        groups = found.sort("user_id", "rank").group_by("user_id", maintain_order=True)
        self.lists = {
            str(user): catalog.positions(rows["item_id"].to_list()) for (user,), rows in groups
        }

    def rank(
        self,
        histories: Sequences,
        n: int,
        *,
        allowed: np.ndarray | AllowedItems | None = None,
        exclude_seen: bool = False,
    ) -> Ranking:
        """The lists of these histories' users."""
        rules = AllowedItems.of(histories, len(self.catalog), allowed, exclude_seen=exclude_seen)
        items = np.full((len(histories), n), NO_ITEM, np.int32)
        for row, history in enumerate(histories):
            given = self.lists.get(history.user, np.zeros(0, np.int32))
            mask = rules.take([row]).dense()
            kept = (given if mask is None else given[mask[0][given]])[:n]
            items[row, : len(kept)] = kept
        scores = np.where(items == NO_ITEM, -np.inf, -np.arange(n, dtype=np.float32))
        return Ranking(items, scores.astype(np.float32))


def ask(
    peer: Peer,
    fit: Dataset,
    cases: Holdout,
    vectors: ItemVectors,
    protocol: Protocol,
    options: dict[str, Any],
    place: str,
) -> tuple[Lists, dict[str, Any]]:
    """A peer's lists for the cases, made now or before, and what it says of itself."""
    request = {
        "model": peer.model,
        "n": LONGEST,
        "exclude_seen": protocol.exclude_seen,
        "options": options,
    }
    known = [fit.fingerprint, cases.histories.items.tobytes().hex(), vectors.fingerprint, request]
    key = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]
    folder = RUNS / place / f"{peer.name}-{key}"
    about = folder / "about.json"
    if not about.exists():
        folder.mkdir(parents=True, exist_ok=True)
        table(fit.sequences, fit.catalog).write_parquet(folder / "fit.parquet")
        table(cases.histories, fit.catalog).write_parquet(folder / "seen.parquet")
        ids = np.array(list(vectors.item_ids))
        np.savez(folder / "items.npz", ids=ids, vectors=vectors.vectors)
        (folder / "request.json").write_text(json.dumps(request))
        script = Path(__file__).parent / "peer_models" / f"{peer.package}_models.py"
        done = subprocess.run(
            [str(python_of(peer)), str(script), str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip() or f"it ended with {done.returncode} and said nothing"
            raise RuntimeError(f"{peer.name}: {said.splitlines()[-1]}")
        about.write_text(done.stdout.strip().splitlines()[-1])
    found = pl.read_parquet(folder / "lists.parquet")
    return Lists(peer.name, fit.catalog, found), json.loads(about.read_text())


def table(sequences: Sequences, catalog: Catalog) -> pl.DataFrame:
    """Events as peers read them."""
    owners = np.repeat(np.arange(len(sequences)), sequences.lengths)
    return pl.DataFrame(
        {
            "user_id": pl.Series([str(user) for user in sequences.users], dtype=pl.String)[owners],
            "item_id": catalog.table["item_id"][sequences.items],
            "order": np.arange(len(owners)) - np.repeat(sequences.offsets[:-1], sequences.lengths),
        }
    )


def chosen(peer: Peer, train: Dataset, vectors: ItemVectors, place: str) -> dict[str, Any]:
    """The options of the grid that do best on validation cases."""
    if len(peer.grid) == 1:
        return peer.grid[0]
    fit, validation = train.split("last-out")
    best, options = -1.0, peer.grid[0]
    for tried in peer.grid:
        lists, _ = ask(peer, fit, validation, vectors, PROTOCOLS["tiger14"], tried, place)
        result = measure(lists, validation, PROTOCOLS["tiger14"])
        if result.estimates["ndcg@10"].mean > best:
            best, options = result.estimates["ndcg@10"].mean, tried
    return options


def judged(
    domain: str,
    train: Dataset,
    test: Holdout,
    vectors: ItemVectors,
    peers: Listed[Peer],
    *,
    protocols: Listed[str],
    quick: bool,
    sasrec: bool,
) -> tuple[Figures, dict[str, Any]]:
    """Figures of the peers and of our controls under each protocol."""
    figures: Figures = {}
    details: dict[str, Any] = {}
    fit, _ = train.split("last-out")
    own = sasrecs(domain, train) if sasrec and not quick else {}
    options = {
        peer.name: peer.quick if quick else chosen(peer, train, vectors, domain) for peer in peers
    }
    for name in protocols:
        known = {"tiger14": fit, "refit14": train}[name]
        protocol = PROTOCOLS[name]
        others: list[Recommender] = []
        told: dict[str, Any] = {}
        stem = domain + ("_refit" if name == "refit14" else "")
        for peer in peers:
            try:
                lists, about = ask(peer, known, test, vectors, protocol, options[peer.name], domain)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                figures |= not_measured(f"{stem}_{peer.name}_ndcg10", str(error))
                continue
            told[peer.name] = {**about, "options": options[peer.name]}
            others.append(lists)
        others += [train_control("popular", train, protocol)]
        first = own.get(name) or train_control("cooccurrence", train, protocol)
        if own:
            others.append(train_control("cooccurrence", train, protocol))
        found = evaluate(first, test, against=others, protocol=protocol, train=train)
        print(f"\n{domain}: {found}", file=sys.stderr)
        for result in found.results:
            for metric in ("recall@10", "ndcg@10"):
                key = f"{stem}_{result.name}_{metric.replace('@', '')}"
                figures[key] = round(result.estimates[metric].mean, 4)
        details[name] = {"report": found.to_dict(), "peers": told}
    return figures, details


def few(data: Dataset, users: int) -> Dataset:
    """The same data with some users alone, and the items that they chose twice."""
    rows = np.sort(np.random.default_rng(0).permutation(len(data.users))[:users])
    return replace(data, events=data.events.filter(pl.col("user").is_in(rows))).core(2)


def encoded(domain: str, catalog: Catalog) -> ItemVectors:
    """Text vectors as the domain's recipe makes them."""
    return joined(encode_modalities(recipe_of(domain, []).encode, catalog))


def asked() -> argparse.Namespace:
    """What is to be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [peer.name for peer in PEERS]
    parser.add_argument("--quick", action="store_true", help="that everything runs, in a minute")
    parser.add_argument("--domains", nargs="+", default=list(DOMAINS))
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument("--options", type=int, default=len(EPOCHS), help="of each grid so many")
    parser.add_argument("--epochs", type=int, help="train so long, where epochs are chosen")
    parser.add_argument("--protocols", nargs="+", choices=RULES, default=RULES)
    parser.add_argument("--no-sasrec", action="store_true", help="without our own, which is slow")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.domains, chosen.protocols = chosen.domains[:1], RULES[:1]
    return chosen


def narrowed(peer: Peer, wanted: argparse.Namespace) -> Peer:
    """The peer with the options that are asked for."""
    if wanted.epochs and peer.grid[0].keys() == {"epochs"}:
        return replace(peer, grid=({"epochs": wanted.epochs},))
    return replace(peer, grid=peer.grid[: wanted.options])


def main() -> None:
    """Measures all peers that are installed."""
    wanted = asked()
    quick = wanted.quick
    figures: Figures = {}
    details: dict[str, Any] = {}
    peers = [narrowed(peer, wanted) for peer in PEERS if peer.name in wanted.models]
    if missing := sorted({peer.package for peer in peers if not python_of(peer).exists()}):
        for domain in wanted.domains:
            figures |= not_measured(f"{domain}_peers", f"no {missing}; make install-peers")
        report(figures)
        return
    for domain in wanted.domains:
        data = Dataset.load("amazon2014", domain=domain)
        data = few(data, QUICK_USERS) if quick else data
        train, test = data.split("last-out")
        vectors = encoded(domain, data.catalog)
        found, details[domain] = judged(
            domain,
            train,
            test,
            vectors,
            peers,
            protocols=wanted.protocols,
            quick=quick,
            sasrec=not wanted.no_sasrec,
        )
        figures |= found
    rules = {name: str(PROTOCOLS[name]) for name in RULES}
    report(figures, rules=rules, users=QUICK_USERS if quick else "all", reports=details)


if __name__ == "__main__":
    main()
