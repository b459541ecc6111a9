"""What can be chosen about training. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.bounds import SEED, outside
from genrec.decoding.options import NORMALISED_OVER
from genrec.errors import ConfigError, nearest

SCHEDULES = ("cosine", "constant", "linear")
FIT_BOUNDS = {
    "steps": "[1, inf)",
    "batch_size": "[1, inf)",
    "learning_rate": "(0, inf)",
    "rows_learning_rate": "[0, inf)",
    "warmup_steps": "[0, inf)",
    "weight_decay": "[0, inf)",
    "max_grad_norm": "[0, inf)",
    "warm_rows_steps": "[0, inf)",
    "seed": SEED,
    "validate_every": "[0, inf)",
    "patience": "[0, inf)",
    "checkpoint_every": "[0, inf)",
    "log_every": "[1, inf)",
}


@dataclass(frozen=True)
class FitConfig:
    """How long, how fast and how carefully to train.

    Attributes:
        steps: optimiser steps at most.
        batch_size: rows per step.
        learning_rate: peak rate of AdamW.
        rows_learning_rate: peak rate of the rows of new tokens, which have further to go than an
            LLM that knows language; 0 takes ``learning_rate``.
        warmup_steps: steps over which the rate rises from 0.
        schedule: ``cosine``, ``linear`` (both fall to 0) or ``constant``, after the warm-up.
        weight_decay: decoupled; biases and norms are left out.
        max_grad_norm: gradients are clipped to this norm; 0 leaves them as they are.
        warm_rows_steps: first steps in which only the rows of new tokens learn, and the rest of the
            LLM stays as it is; 0 trains all from the start.
        seed: of data order, dropout and initial weights.
        validate_every: steps between validations; 0 turns them off.
        patience: validations without a new best before training stops; 0 never stops early.
        checkpoint_every: steps between checkpoints; 0 keeps none.
        bf16: compute in bfloat16 where autocast allows it.
        log_every: steps that one logged loss is the mean of.
    """

    __pydantic_config__ = {"extra": "forbid"}

    steps: int = 1000
    batch_size: int = 16
    learning_rate: float = 1e-3
    rows_learning_rate: float = 0.0
    warmup_steps: int = 0
    schedule: str = "cosine"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    warm_rows_steps: int = 0
    seed: int = 0
    validate_every: int = 0
    patience: int = 0
    checkpoint_every: int = 0
    bf16: bool = False
    log_every: int = 10

    def __post_init__(self) -> None:
        problems = outside(self, **FIT_BOUNDS)
        if self.schedule not in SCHEDULES:
            problems.append(f"schedule is '{self.schedule}'; choose {', '.join(SCHEDULES)}")
        if problems:
            raise ConfigError("The training options do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class SftConfig:
    """How packed rows are formed and scored.

    Attributes:
        row_tokens: tokens of one packed row.
        windows: how many windows of each history are trained on, counted from its end; 0 takes
            all. Few make long histories cheap and put the weight on what is recent.
        normalise: what a code is told from: ``level``, all codes of its level; or ``legal``, those
            that the catalogue has after the codes before it, so that the probabilities of all items
            sum to 1. Decoding scores items likewise.
        label_smoothing: probability mass spread over the other codes that a code is told from.
        embedding_dropout: on the input embeddings; strong values help on sparse data.
        picture_dropout: share of items whose picture is not shown, where the LLM sees; what is
            missing when it recommends is then nothing new.
        spelled: in a hybrid, the share of items whose codes are all written out in a training row,
            others each time; of the rest the first code alone is learned, and rows are shorter.
        feature_dropout: share of rows that are written without times and kinds of events, where
            the LLM reads them; a history that comes without is then nothing new.
        generate_weight: of the loss of codes.
        text_weight: of the loss of each token of text that is to be written, against that of a
            code; only tasks beside the next item have such.
        dense_weight: of the loss of whole items, where the recommender is a hybrid.
        negatives: items that each next item is told from; 0 takes all.
    """

    __pydantic_config__ = {"extra": "forbid"}

    row_tokens: int = 512
    windows: int = 0
    normalise: str = "level"
    label_smoothing: float = 0.0
    embedding_dropout: float = 0.0
    picture_dropout: float = 0.1
    spelled: float = 1.0
    feature_dropout: float = 0.1
    generate_weight: float = 1.0
    text_weight: float = 1.0
    dense_weight: float = 1.0
    negatives: int = 2048

    def __post_init__(self) -> None:
        problems = outside(
            self,
            row_tokens="[8, inf)",
            windows="[0, inf)",
            label_smoothing="[0, 1)",
            embedding_dropout="[0, 1)",
            picture_dropout="[0, 1)",
            spelled="[0, 1]",
            feature_dropout="[0, 1)",
            generate_weight="[0, inf)",
            text_weight="[0, inf)",
            dense_weight="[0, inf)",
            negatives="[0, inf)",
        )
        if self.normalise not in NORMALISED_OVER:
            near = nearest(self.normalise, NORMALISED_OVER)
            problems.append(f"No way to normalise '{self.normalise}'; {near}")
        if problems:
            raise ConfigError("\n".join(problems))
