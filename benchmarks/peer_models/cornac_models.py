"""Cornac's next-item models, run by ``benchmarks.peers`` in an environment of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cornac.data import FeatureModality
from cornac.eval_methods import NextItemEvaluation
from cornac.models import GRU4Rec, NextItemRecommender, SASRec
from cornac.models.rpg import RPG, RPG_CONFIG
from cornac.models.tiger import GRID_CONFIG, TIGER
from exchange import Request, serve


def sessions(events: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    """A user's events as one session, in order."""
    columns = [events[name] for name in ("user_id", "user_id", "item_id", "order")]
    return list(zip(*columns, strict=True))


def answered(model: NextItemRecommender, request: Request) -> pd.DataFrame:
    """Lists of a model that chooses its best epoch on the users' next events, where there are."""
    later = request.validation
    known = request.fit["item_id"].unique()
    rows = {item: row for row, item in enumerate(request.item_ids)}
    features = FeatureModality(
        features=request.vectors[[rows[item] for item in known]], ids=list(known)
    )
    whole = request.seen[request.seen["user_id"].isin(set(later["user_id"]))]
    split = NextItemEvaluation.from_splits(
        train_data=sessions(request.fit),
        # It wants some; nothing is ever tested here.
        test_data=sessions(request.fit.tail(2)),
        val_data=sessions(whole) if len(later) else None,
        fmt="USIT",
        exclude_unknowns=True,
        item_feature=features,
    )
    model.fit(split.train_set, split.val_set)
    items, users = split.train_set.iid_map, split.train_set.uid_map
    names = np.array(list(items))
    lists = []
    for user, events in request.seen.groupby("user_id", sort=False):
        history = [items[item] for item in events["item_id"] if item in items]
        scores = np.asarray(model.score(users.get(user, 0), history))[: len(names)].copy()
        if request.exclude_seen:
            scores[history] = -np.inf
        best = np.argsort(-scores, kind="stable")[: request.n]
        # What a beam did not reach has no score worth telling.
        best = best[scores[best] > -1e9]
        ranks = np.arange(1, len(best) + 1)
        lists.append(pd.DataFrame({"user_id": user, "item_id": names[best], "rank": ranks}))
    return pd.concat(lists, ignore_index=True)


def best_of(request: Request) -> dict[str, object]:
    """How the last or the best epoch is kept."""
    found = len(request.validation) > 0
    return {"model_selection": "best", "val_metric": "ndcg", "val_k": 10} if found else {}


def tiger(request: Request) -> pd.DataFrame:
    """TIGER by the recipe that Cornac calls GRID, over our text vectors."""
    options = {**GRID_CONFIG, "model_selection": "last", "n_beams": max(20, request.n)}
    return answered(TIGER(**{**options, **best_of(request), "seed": 0, **request.options}), request)


def rpg(request: Request) -> pd.DataFrame:
    """RPG by Cornac's own recipe, over our text vectors, every item scored."""
    options = {**RPG_CONFIG, "model_selection": "last", "scoring": "exact", **best_of(request)}
    return answered(RPG(**{**options, "seed": 0, **request.options}), request)


if __name__ == "__main__":
    serve(
        "cornac",
        {
            "sasrec": lambda request: answered(
                SASRec(embedding_dim=128, seed=0, **{**best_of(request), **request.options}),
                request,
            ),
            "gru4rec": lambda request: answered(GRU4Rec(seed=0, **request.options), request),
            "tiger": tiger,
            "rpg": rpg,
        },
    )
