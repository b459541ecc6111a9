"""Controls by name, trained under a protocol."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from genrec.data.dataset import Dataset, Holdout
from genrec.evaluation.protocol import Protocol
from genrec.recommenders.base import Recommender
from genrec.recommenders.counts import item_counts
from genrec.registry import Entry, Registry

log = logging.getLogger(__name__)

CONTROLS = Registry(
    "control",
    {
        "popular": Entry(
            "genrec.recommenders.popular:Popular", about="the most chosen items, for everyone"
        ),
        "personal": Entry(
            "genrec.recommenders.personal:Personal", about="what the user chose most often before"
        ),
        "habit": Entry(
            "genrec.recommenders.habit:Habit",
            about="what the user chose most often, later times counting more",
        ),
        "cooccurrence": Entry(
            "genrec.recommenders.cooccurrence:Cooccurrence",
            about="what was chosen right after the user's last items",
        ),
        "sasrec": Entry(
            "genrec.recommenders.sasrec:SASRec", about="self-attention with a softmax loss"
        ),
        "content": Entry(
            "genrec.recommenders.content:ContentRecommender",
            about="self-attention over what items read and look like",
        ),
    },
)


def train_control(
    name: str,
    train: Dataset,
    protocol: Protocol,
    options: Mapping[str, Any] | None = None,
) -> Recommender:
    """A control, trained on what the protocol lets any recommender train on.

    Args:
        train: everything before the test cases.
        options: passed on to the control's ``train``.

    Raises:
        ConfigError: there is no control of that name.
    """
    kind = CONTROLS.load(name)
    fitted, validation = training_part(train, protocol)
    log.info("training the control %s", name)
    recommender: Recommender = kind.train(fitted, validation=validation, **(options or {}))
    return recommender


def training_part(train: Dataset, protocol: Protocol) -> tuple[Dataset, Holdout | None]:
    """What may be trained on, and the cases that may choose steps where there is no refit."""
    if protocol.refit:
        return train, None
    return train.split(protocol.split)


def training_counts(train: Dataset, protocol: Protocol) -> np.ndarray:
    """Events of each item among those that may be trained on, shape (items,), int64."""
    return item_counts(training_part(train, protocol)[0])
