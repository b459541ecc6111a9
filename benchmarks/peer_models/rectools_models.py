"""RecTools' models, run by ``benchmarks.peers`` in an environment of their own."""

from __future__ import annotations

import logging

import pandas as pd
from exchange import Request, serve
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import (
    EASEModel,
    ImplicitALSWrapperModel,
    ImplicitItemKNNWrapperModel,
    PopularModel,
)
from rectools.models.base import ModelBase
from rectools.models.nn.transformers.bert4rec import BERT4RecModel
from rectools.models.nn.transformers.sasrec import SASRecModel

# The width and depth of our own SASRec; losses and the rest are RecTools' defaults. Most users have
# fewer than 20 events, and what is longer is padding for all others.
TRANSFORMER = {"n_blocks": 2, "n_heads": 2, "n_factors": 128, "session_max_len": 20}


def answered(model: ModelBase, request: Request) -> pd.DataFrame:
    """Lists of a model, trained on ``fit`` and told what is in ``seen``."""
    fit = interactions(request.fit)
    # The same ids in the same order, or the numbers of users and items would change.
    later = request.validation
    later = interactions(later[later["item_id"].isin(set(request.fit["item_id"]))])
    known = pd.concat([fit, later], ignore_index=True)
    model.fit(Dataset.construct(fit))
    trained_on = set(fit[Columns.User])
    found = model.recommend(
        users=[user for user in request.users if user in trained_on],
        dataset=Dataset.construct(known),
        k=request.n,
        filter_viewed=request.exclude_seen,
        on_unsupported_targets="ignore",
    )
    return found.rename(columns={Columns.User: "user_id", Columns.Item: "item_id", "rank": "rank"})


def interactions(events: pd.DataFrame) -> pd.DataFrame:
    """Events as RecTools names their columns; order stands for time."""
    return pd.DataFrame(
        {
            Columns.User: events["user_id"],
            Columns.Item: events["item_id"],
            Columns.Weight: 1.0,
            Columns.Datetime: pd.Timestamp("2020-01-01")
            + pd.to_timedelta(events["order"], unit="s"),
        }
    )


def als(request: Request) -> pd.DataFrame:
    """Implicit's alternating least squares."""
    inner = AlternatingLeastSquares(factors=128, iterations=15, random_state=0, num_threads=1)
    return answered(ImplicitALSWrapperModel(inner), request)


def sasrec(request: Request) -> pd.DataFrame:
    """SASRec with a softmax over the whole catalogue."""
    options = {**TRANSFORMER, "loss": "softmax", **request.options}
    return answered(SASRecModel(deterministic=True, **options), request)


def bert4rec(request: Request) -> pd.DataFrame:
    """BERT4Rec with a softmax over the whole catalogue."""
    options = {**TRANSFORMER, "loss": "softmax", **request.options}
    return answered(BERT4RecModel(deterministic=True, **options), request)


if __name__ == "__main__":
    logging.getLogger("lightning").setLevel(logging.ERROR)
    serve(
        "rectools",
        {
            "popular": lambda request: answered(PopularModel(), request),
            "knn": lambda request: answered(
                ImplicitItemKNNWrapperModel(CosineRecommender(K=100, num_threads=1)), request
            ),
            "ease": lambda request: answered(
                EASEModel(**{"regularization": 500.0, **request.options}), request
            ),
            "als": als,
            "sasrec": sasrec,
            "bert4rec": bert4rec,
        },
    )
