"""A run's chat judged by simulated shoppers, beside what needs no conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data.dataset import Dataset, Holdout
from genrec.data.toy_shop import match
from genrec.evaluation.shopper_wants import wants_of
from genrec.evaluation.shoppers import Converser, Talk, Verdict, meet
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.conversers import Assistant, PopularOnly, RetrievalOnly
from genrec.serving.conversation.shop import Shop
from genrec.stages.judge import check_held_out
from genrec.stages.run import Observer
from genrec.stages.shop import open_shop, stored_run, training_shop

STAGE = "Judge chat"


@dataclass(frozen=True)
class ChatJudgement:
    """What the shoppers' conversations came to.

    Attributes:
        verdicts: of the chat first, then of the controls.
        talks: the chat's own, to be read.
    """

    verdicts: tuple[Verdict, ...]
    talks: tuple[Talk, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {one.name: one.to_dict() for one in self.verdicts}


def judge_chat(
    folder: Path,
    *,
    shoppers: int = 200,
    turns: int = 5,
    seed: int = 0,
    observer: Observer | None = None,
) -> ChatJudgement:
    """The chat of a run, whose shoppers want what real ones chose in the test.

    Raises: as of ``open_shop`` and ``check_held_out``, and ``InputError`` where nothing in the test
    can be wanted.
    """
    run = stored_run(folder)
    check_held_out(run)
    shop = open_shop(folder)
    training, test = shop.dataset.split(run.recipe.evaluate.split)
    return judged(
        training_shop(shop, training),
        training,
        test,
        shoppers=shoppers,
        turns=turns,
        seed=seed,
        observer=observer,
    )


def judged(
    shop: Shop,
    training: Dataset,
    test: Holdout,
    *,
    shoppers: int,
    turns: int = 5,
    seed: int = 0,
    observer: Observer | None = None,
) -> ChatJudgement:
    """The chat of a shop beside retrieval alone and popularity alone, by the same shoppers."""
    taste: np.ndarray | None = None
    if {"oracle", "tastes"} <= set(training.extras):
        taste = match(training)
    wants = wants_of(training, test, shoppers, taste=taste, stock=shop.stock, seed=seed)
    conversers: Sequence[Converser] = (
        Assistant(Conversation(shop)),
        RetrievalOnly(shop),
        PopularOnly(shop),
    )
    stock = shop.stock if shop.in_stock else ""
    verdicts, talks = [], []
    for converser in conversers:

        def progress(done: int, total: int, name: str = converser.name) -> None:
            if observer:
                observer.progressed(STAGE, done, total, name)

        verdict, spoken = meet(
            converser, wants, shop.catalog, turns=turns, stock=stock, seed=seed, progress=progress
        )
        verdicts.append(verdict)
        talks.append(spoken)
    return ChatJudgement(tuple(verdicts), tuple(talks[0]))
