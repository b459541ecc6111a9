"""The stock Trainer as ``fit`` needs it: our checkpoints, shared batches, our validation."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback

from genrec.errors import ConfigError
from genrec.training.checkpoint import (
    load_optimizer,
    load_random_state,
    load_scaler,
    load_weights,
    put_tensors,
    save_optimizer,
    save_random_state,
    save_scaler,
    save_weights,
    seal_checkpoint,
    whole_tensors,
    write_tensors,
)
from genrec.training.company import ALONE, Company
from genrec.training.options import FitConfig
from genrec.training.repeated import RepeatedBatches
from genrec.training.rows import STATE_FILE, Progress, Targets
from genrec.training.stopping import Stop
from genrec.training.together import (
    SHARES,
    TARGETS,
    Whole,
    mean_over_processes,
    parts_of,
    shares_of,
    told_by_main,
)
from genrec.training.zero import Moments, quiet

log = logging.getLogger(__name__)


@dataclass
class Watcher(TrainerCallback):
    """Validates, keeps the best weights, stops early and reports progress.

    Attributes:
        parts: what trains in place of ``model``, where that is shared out.
        stop: whether to end after a step, with a checkpoint of it.
    """

    model: nn.Module
    config: FitConfig
    folder: Path
    validate: Callable[[], float] | None
    progress: Progress | None
    on_validation: Callable[[int, float], None] | None = None
    company: Company = ALONE
    parts: Any = None
    stop: Stop = field(default_factory=Stop)
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
        if self.stop.asked:
            control.should_save = control.should_training_stop = True

    def gather(self) -> None:
        """Puts what was trained in parts into the whole model; all processes must call it."""
        if self.parts is not None:
            put_tensors(self.model, whole_tensors(self.parts.model))

    def _validate(self, step: int, control: Any) -> None:
        self.gather()
        metric = self._metric() if self.company.main else 0.0
        if not self.company.alone:
            metric = told_by_main(metric, self.device)
        self.metrics[step] = metric
        if self.best_step is None or metric > self.metrics[self.best_step]:
            self.best_step = step
            if self.company.main:
                save_weights(self.model, self.folder / "best.safetensors")
        since_best = sum(1 for seen in self.metrics if seen > self.best_step)
        if self.config.patience and since_best >= self.config.patience:
            log.info("stopped early at step %d; the best was step %d", step, self.best_step)
            control.should_training_stop = True
        if self.on_validation is not None and self.company.main:
            self.on_validation(step, metric)

    def _metric(self) -> float:
        assert self.validate is not None
        if self.parts is not None:
            self.model.to(self.device)
        # Validation must not move the random state, or a run would depend on how often it looks.
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            self.model.eval()
            metric = float(self.validate())
            self.model.train()
        if self.parts is not None:
            self.model.cpu()
        return metric

    @property
    def device(self) -> torch.device:
        """Of this process."""
        return next((self.model if self.parts is None else self.parts).parameters()).device


class CheckpointingTrainer(Trainer):
    """The stock Trainer with our loss, and with checkpoints in safetensors and JSON.

    ``self.model`` is a ``Learner``.
    """

    def __init__(
        self,
        *,
        watcher: Watcher,
        identity: dict[str, Any],
        targets: Targets | None,
        warm: Callable[[], None] | None,
        new_rows: Collection[nn.Parameter],
        times: int,
        whole_batches: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.times, self.whole_batches = times, whole_batches
        self.watcher, self.identity = watcher, identity
        self.targets, self.warm, self.new_rows = targets, warm, new_rows
        # Our loss is already a mean over the batch; the stock code must not rescale it.
        self.model_accepts_loss_kwargs = False

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int] | None:
        if self.times == 1:
            found: torch.utils.data.Sampler[int] | None = super()._get_train_sampler(train_dataset)
            return found
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        config = self.watcher.config
        return RepeatedBatches(
            len(rows), batch_size=config.batch_size, times=self.times, seed=config.seed
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        company = self.watcher.company
        if company.alone:
            return super().get_train_dataloader()
        assert self.targets is not None
        whole = DataLoader(
            self.train_dataset,
            batch_size=self.watcher.config.batch_size,
            sampler=self._get_train_sampler(),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return parts_of(
            whole,
            # A row that is a whole batch goes to every process, which takes its part itself.
            rank=0 if self.whole_batches else company.rank,
            count=1 if self.whole_batches else company.count,
            data_seed=self.args.data_seed,
            targets=self.targets,
        )

    def _wrap_model(self, model: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        # What is not self.model is taken as wrapped; the optimiser has the parts' parameters.
        if self.watcher.parts is not None and not self.is_deepspeed_enabled:
            return Whole(model)
        return super()._wrap_model(model, *args, **kwargs)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        fresh = self.optimizer is None
        optimizer = super().create_optimizer(*args, **kwargs)
        if fresh:
            if rate := self.watcher.config.rows_learning_rate:
                _learn_apart(optimizer, self.new_rows, rate)
            self._groups = [list(group["params"]) for group in optimizer.param_groups]
        return optimizer

    def _prepare_for_training(self, max_steps: int, loader: Any, checkpoint: Any) -> Any:
        if not self.is_deepspeed_enabled:
            return super()._prepare_for_training(max_steps, loader, checkpoint)
        # Weights are read while they are whole, moments into what is shared out; of a checkpoint
        # the stock code would look for DeepSpeed's own.
        if checkpoint is not None:
            self._load_from_checkpoint(checkpoint)
        with quiet():
            prepared = super()._prepare_for_training(max_steps, loader, None)
        self.model.share_whole()
        if checkpoint is not None:
            self._load_optimizer_and_scheduler(checkpoint)
        return prepared

    def compute_loss(self, model: nn.Module, inputs: Any, *_: Any, **__: Any) -> Tensor:
        counts, bf16 = inputs.pop(TARGETS, None), self.watcher.config.bf16
        half = torch.float16 if self.args.fp16 else torch.bfloat16 if bf16 else None
        if counts is None:
            value = model(inputs, half=half)
            told = value.item()
        else:
            shares = shares_of(counts, self.args.device)
            if shares.ndim:
                value = model({**inputs, SHARES: shares}, half=half)
            else:
                value = model(inputs, half=half) * shares
            told = mean_over_processes(value)
        if not math.isfinite(told):
            raise ConfigError(
                f"The training loss became {told} after step {self.state.global_step}. "
                "Lower learning_rate, raise warmup_steps, or train in float32."
            )
        self.watcher.last_loss = told
        return value

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        # Before gradients are clipped: what is dropped shall not shrink the rest.
        value: Tensor = super().training_step(*args, **kwargs)
        if self.warm is not None and self.state.global_step < self.watcher.config.warm_rows_steps:
            self.warm()
        return value

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if not self.watcher.company.alone:
            # The seal has the size of each file, those of other processes too.
            distributed.barrier()
        if not self.args.should_save:
            return
        output = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        state = {"metrics": self.watcher.metrics, "best_step": self.watcher.best_step}
        (output / STATE_FILE).write_text(json.dumps(state))
        seal_checkpoint(output, self.identity)
        for older in Path(self.args.output_dir).glob("checkpoint-*"):
            if older != output:
                shutil.rmtree(older)

    def save_model(self, output_dir: str | None = None, *_: Any, **__: Any) -> None:
        tensors = whole_tensors(self.model.model)
        if self.args.should_save:
            folder = Path(output_dir or str(self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            write_tensors(tensors, folder / "weights.safetensors")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, *_: Any) -> None:
        load_weights(self.model.model, Path(resume_from_checkpoint) / "weights.safetensors")
        state = json.loads((Path(resume_from_checkpoint) / STATE_FILE).read_text())
        self.watcher.metrics = {int(step): value for step, value in state["metrics"].items()}
        self.watcher.best_step = state["best_step"]

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        save_optimizer(
            self._moments(), self.lr_scheduler, Path(output_dir), writes=self.args.should_save
        )

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            load_optimizer(self._moments(), self.lr_scheduler, Path(checkpoint))

    def _moments(self) -> Any:
        """The optimiser, as one process has it."""
        assert self.optimizer is not None and self.lr_scheduler is not None
        if self.is_deepspeed_enabled:
            return Moments(self.optimizer.optimizer, self._groups)
        return self.optimizer

    def _save_scaler(self, output_dir: str) -> None:
        scaler = getattr(self.accelerator, "scaler", None)
        if scaler is not None and self.args.should_save:
            save_scaler(scaler, Path(output_dir))

    def _load_scaler(self, checkpoint: str | None) -> None:
        scaler = getattr(self.accelerator, "scaler", None)
        if checkpoint is not None and scaler is not None:
            load_scaler(scaler, Path(checkpoint))

    def _save_rng_state(self, output_dir: str) -> None:
        save_random_state(Path(output_dir), self.args.process_index)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            load_random_state(Path(checkpoint), self.args.process_index)


def _learn_apart(optimizer: Any, parameters: Collection[nn.Parameter], rate: float) -> None:
    """Gives these parameters a rate of their own, before anything is learned."""
    chosen = set(map(id, parameters))
    for group in list(optimizer.param_groups):
        own = [one for one in group["params"] if id(one) in chosen]
        group["params"] = [one for one in group["params"] if id(one) not in chosen]
        if own:
            optimizer.add_param_group({**group, "params": own, "lr": rate})
