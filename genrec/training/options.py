"""What can be chosen about training. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.decoding.options import NORMALISED_OVER
from genrec.errors import ConfigError, nearest

SCHEDULES = ("cosine", "constant", "linear")


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
        max_grad_norm: gradients are clipped to this norm.
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
        problems = [
            f"{name} is {getattr(self, name)}; it must be at least {low}"
            for name, low in (
                ("steps", 1),
                ("batch_size", 1),
                ("log_every", 1),
                ("patience", 0),
                ("warm_rows_steps", 0),
            )
            if getattr(self, name) < low
        ]
        if self.schedule not in SCHEDULES:
            problems.append(f"schedule is '{self.schedule}'; choose {', '.join(SCHEDULES)}")
        if not self.learning_rate > 0:
            problems.append(f"learning_rate is {self.learning_rate}; it must be above 0")
        if not self.rows_learning_rate >= 0:
            problems.append(
                f"rows_learning_rate is {self.rows_learning_rate}; it must not be below 0"
            )
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
        if self.normalise not in NORMALISED_OVER:
            near = nearest(self.normalise, NORMALISED_OVER)
            raise ConfigError(f"No way to normalise '{self.normalise}'; {near}")
        shares = ("label_smoothing", "embedding_dropout", "picture_dropout", "feature_dropout")
        if wrong := [name for name in shares if not 0 <= getattr(self, name) < 1]:
            said = " and ".join(f"{name} is {getattr(self, name)}" for name in wrong)
            raise ConfigError(f"{said}; all of them lie from 0 to below 1.")
        if not 0 <= self.spelled <= 1:
            raise ConfigError(f"spelled is {self.spelled}; it lies from 0 to 1.")
        amounts = ("generate_weight", "text_weight", "dense_weight", "negatives")
        if wrong := [name for name in amounts if getattr(self, name) < 0]:
            said = " and ".join(f"{name} is {getattr(self, name)}" for name in wrong)
            raise ConfigError(f"{said}; none of them may be below 0.")
        if self.row_tokens < 8 or self.windows < 0:
            raise ConfigError(
                f"row_tokens is {self.row_tokens} and windows {self.windows}; they must be at "
                "least 8 and 0."
            )
