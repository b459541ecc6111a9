"""One way to train anything: transformers' Trainer with pickle-free, kill-safe checkpoints.

Knows batches and losses; knows nothing of items, users or semantic IDs.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)

from genrec.errors import ConfigError, InputError
from genrec.training.checkpoint import (
    load_optimizer,
    load_random_state,
    load_weights,
    newest_checkpoint,
    save_optimizer,
    save_random_state,
    save_weights,
    seal_checkpoint,
)
from genrec.training.options import FitConfig

log = logging.getLogger(__name__)

Batch = dict[str, Tensor]
Progress = Callable[[int, int, float], None]
STATE_FILE = "fit.json"


class Rows(Protocol):
    """Training rows; a list will do. With ``set_epoch``, they are told each epoch's number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class FitResult:
    """What a training run did.

    Attributes:
        losses: mean loss of every ``log_every`` steps, over the whole run, resumed parts included.
        metrics: step -> validation metric.
        best_step: step whose weights the model now has; ``None`` without validation.
        best_metric: its validation metric.
        steps: steps done.
        seconds: wall-clock time of this process only.
    """

    losses: list[float]
    metrics: dict[int, float]
    best_step: int | None
    best_metric: float | None
    steps: int
    seconds: float


def fit(
    model: nn.Module,
    rows: Rows,
    *,
    collate: Callable[[list[Any]], Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    config: FitConfig,
    folder: Path,
    validate: Callable[[], float] | None = None,
    on_validation: Callable[[int, float], None] | None = None,
    progress: Progress | None = None,
    job: str = "",
    warm: Callable[[], None] | None = None,
) -> FitResult:
    """Trains the parameters of ``model`` that require gradients, in place.

    Args:
        rows: training rows; each epoch visits them in a new seeded order.
        collate: rows of one step -> tensors.
        loss: scalar to minimise.
        folder: checkpoints and TensorBoard logs; a checkpoint of the same ``job`` and config that
            lies there is continued, another job's is removed.
        validate: called with the model in evaluation mode and without gradients; higher is better.
            The best weights are put back at the end.
        on_validation: told the step and what ``validate`` said; may end training by raising.
        progress: called after every step with step, steps and the last loss.
        job: anything that identifies data and model, so that a resume never mixes two.
        warm: called after the gradients of each of the first ``warm_rows_steps`` steps, to drop
            those of what is not to learn yet.

    Raises:
        InputError: there are no rows.
        ConfigError: the loss stopped being finite.
    """
    if not len(rows):
        raise InputError("There is nothing to train on: the training set has no rows.")
    folder.mkdir(parents=True, exist_ok=True)
    identity = {"job": job, "config": {**asdict(config)}}
    resume_from = newest_checkpoint(folder, identity)
    started = time.perf_counter()
    watcher = _Watcher(model, config, folder, validate, progress, on_validation)
    trainer = _Trainer(
        model=model,
        args=_arguments(config, folder),
        train_dataset=_Rows(rows),
        data_collator=collate,
        callbacks=[watcher],
        loss=loss,
        warm=warm,
        watcher=watcher,
        identity=identity,
    )
    trainer.remove_callback(PrinterCallback)
    if resume_from is not None:
        log.info("training continues from step %s", resume_from.name.rpartition("-")[2])
    if resume_from is not None and _is_over(resume_from, config):
        # The stock loop looks whether it is over after a step, not before.
        trainer._load_from_checkpoint(str(resume_from))
        trainer.state = TrainerState.load_from_json(str(resume_from / "trainer_state.json"))
    else:
        model.train()
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    steps = trainer.state.global_step
    if watcher.best_step is not None:
        load_weights(model, folder / "best.safetensors")
    model.eval()
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return FitResult(
        losses=logged,
        metrics=dict(watcher.metrics),
        best_step=watcher.best_step,
        best_metric=watcher.metrics.get(watcher.best_step) if watcher.best_step else None,
        steps=steps,
        seconds=time.perf_counter() - started,
    )


def _is_over(checkpoint: Path, config: FitConfig) -> bool:
    """Whether the run of a checkpoint had done all its steps, or had stopped early."""
    state = json.loads((checkpoint / STATE_FILE).read_text())
    since_best = sum(1 for step in state["metrics"] if int(step) > (state["best_step"] or 0))
    stopped = bool(config.patience) and since_best >= config.patience
    return stopped or int(checkpoint.name.rpartition("-")[2]) >= config.steps


def _arguments(config: FitConfig, folder: Path) -> TrainingArguments:
    # Without the variable, the TensorBoard callback would put the host's name into a folder name.
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(
            config.schedule, config.schedule
        ),
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        seed=config.seed,
        data_seed=config.seed,
        bf16=config.bf16,
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        save_strategy="steps" if config.checkpoint_every else "no",
        save_steps=config.checkpoint_every or 500,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=True,
        report_to=["tensorboard"] if _has_tensorboard() else [],
        use_cpu=not torch.cuda.is_available(),
    )


def _has_tensorboard() -> bool:
    from importlib.util import find_spec

    return find_spec("tensorboard") is not None


class _Rows(torch.utils.data.Dataset[Any]):
    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]

    def set_epoch(self, epoch: int) -> None:
        """Passed on by the data loader to rows that differ from epoch to epoch."""
        if hasattr(self.rows, "set_epoch"):
            self.rows.set_epoch(epoch)


@dataclass
class _Watcher(TrainerCallback):
    """Validates, keeps the best weights, stops early and reports progress."""

    model: nn.Module
    config: FitConfig
    folder: Path
    validate: Callable[[], float] | None
    progress: Progress | None
    on_validation: Callable[[int, float], None] | None = None
    metrics: dict[int, float] = field(default_factory=dict)
    best_step: int | None = None
    last_loss: float = float("nan")

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        step = state.global_step
        last = step >= self.config.steps
        due = self.config.validate_every and step % self.config.validate_every == 0
        if self.validate is not None and (due or (last and self.config.validate_every)):
            self._validate(step, control)
        if self.progress is not None:
            self.progress(step, self.config.steps, self.last_loss)

    def _validate(self, step: int, control: Any) -> None:
        assert self.validate is not None
        # Validation must not move the random state, or a run would depend on how often it looks.
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            self.model.eval()
            metric = float(self.validate())
            self.model.train()
        self.metrics[step] = metric
        if self.best_step is None or metric > self.metrics[self.best_step]:
            self.best_step = step
            save_weights(self.model, self.folder / "best.safetensors")
        since_best = sum(1 for seen in self.metrics if seen > self.best_step)
        if self.config.patience and since_best >= self.config.patience:
            log.info("stopped early at step %d; the best was step %d", step, self.best_step)
            control.should_training_stop = True
        if self.on_validation is not None:
            self.on_validation(step, metric)


class _Trainer(Trainer):
    """The stock Trainer with our loss, and with checkpoints in safetensors and JSON.

    Under FSDP or DeepSpeed, whose states are sharded, the stock checkpoint code runs instead.
    """

    def __init__(
        self,
        *,
        loss: Callable[[nn.Module, Batch], Tensor],
        warm: Callable[[], None] | None,
        watcher: _Watcher,
        identity: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.loss, self.warm = loss, warm
        self.watcher, self.identity = watcher, identity
        # Our loss is already a mean over the batch; the stock code must not rescale it.
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model: nn.Module, inputs: Any, *_: Any, **__: Any) -> Tensor:
        # The stock code's autocast reaches forward() only, and a loss may call what it likes.
        device = self.args.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.args.bf16):
            value = self.loss(model, inputs)
        if not torch.isfinite(value):
            raise ConfigError(
                f"The training loss became {value.item()} after step {self.state.global_step}. "
                "Lower learning_rate, raise warmup_steps, or turn bf16 off."
            )
        self.watcher.last_loss = value.item()
        return value

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        # Before gradients are clipped: what is dropped shall not shrink the rest.
        value: Tensor = super().training_step(*args, **kwargs)
        if self.warm is not None and self.state.global_step < self.watcher.config.warm_rows_steps:
            self.warm()
        return value

    @property
    def _sharded(self) -> bool:
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if not self.args.should_save:
            return
        output = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        state = {"metrics": self.watcher.metrics, "best_step": self.watcher.best_step}
        (output / STATE_FILE).write_text(json.dumps(state))
        seal_checkpoint(output, self.identity)
        for older in Path(self.args.output_dir).glob("checkpoint-*"):
            if older != output:
                shutil.rmtree(older)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self._sharded:
            super()._save(output_dir, state_dict)
            return
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self.accelerator.unwrap_model(self.model), folder / "weights.safetensors")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self._sharded:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            folder = Path(resume_from_checkpoint)
            load_weights(self.accelerator.unwrap_model(self.model), folder / "weights.safetensors")
        state = json.loads((Path(resume_from_checkpoint) / STATE_FILE).read_text())
        self.watcher.metrics = {int(step): value for step, value in state["metrics"].items()}
        self.watcher.best_step = state["best_step"]

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self._sharded:
            super()._save_optimizer_and_scheduler(output_dir)
        elif self.args.should_save:
            assert self.optimizer is not None and self.lr_scheduler is not None
            save_optimizer(self.optimizer, self.lr_scheduler, Path(output_dir))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or self._sharded:
            super()._load_optimizer_and_scheduler(checkpoint)
        else:
            assert self.optimizer is not None and self.lr_scheduler is not None
            load_optimizer(self.optimizer, self.lr_scheduler, Path(checkpoint))

    def _save_rng_state(self, output_dir: str) -> None:
        save_random_state(Path(output_dir), self.args.process_index)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            load_random_state(Path(checkpoint), self.args.process_index)
