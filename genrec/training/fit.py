"""One way to train anything: transformers' Trainer with pickle-free, kill-safe checkpoints.

Knows batches and losses; knows nothing of items, users or semantic IDs.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

from genrec.errors import ConfigError, InputError
from genrec.llm.prepacked import not_prepacked
from genrec.training.checkpoint import load_weights, newest_checkpoint
from genrec.training.company import WORK, Company
from genrec.training.options import FitConfig
from genrec.training.rows import STATE_FILE, Batch, Progress, Rows, Targets, TrainingRows
from genrec.training.sharding import accelerate_leaves_it, sharded, wants_sharding
from genrec.training.stopping import stop_between_steps
from genrec.training.together import Learner, told_by_main
from genrec.training.zero import forget, left_alone, shared_out, wants_zero

# The Trainer brings packages that are not needed to use what was trained: its import is slow.
if TYPE_CHECKING:
    from transformers import TrainingArguments

__all__ = [
    "Batch",
    "FitConfig",
    "FitResult",
    "Progress",
    "Rows",
    "Targets",
    "checkpoint_folder",
    "fit",
]

log = logging.getLogger(__name__)


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

    @property
    def told(self) -> str:
        """In words: ``400 steps, best 250 on validation (0.0413)``."""
        if self.best_step is None or self.best_metric is None:
            return f"{self.steps} steps"
        # The best at the very end is a hint that more steps would do better.
        best = "the last" if self.best_step == self.steps else str(self.best_step)
        return f"{self.steps} steps, best {best} on validation ({self.best_metric:.4f})"


@contextmanager
def checkpoint_folder(folder: str | Path | None) -> Iterator[Path]:
    """This folder, or a temporary one where no training is to be continued."""
    if folder:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


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
    targets: Targets | None = None,
    warm: Callable[[], None] | None = None,
    new_rows: Collection[nn.Parameter] = (),
    times: int = 1,
    fp16: bool = False,
    whole_batches: bool = False,
) -> FitResult:
    """Trains the parameters of ``model`` that require gradients, in place.

    Where several processes were launched, all call it alike and share each batch. Ctrl-C ends a
    process that trains alone after the step under way, which a checkpoint keeps.

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
        targets: how many targets the loss of a batch is the mean of; several processes need it.
            See ``parts_of`` for a loss of several means.
        warm: called after the gradients of each of the first ``warm_rows_steps`` steps, to drop
            those of what is not to learn yet.
        new_rows: parameters that learn by ``rows_learning_rate``.
        times: steps that each batch is given for, one after the other.
        fp16: compute in float16, with the loss scaled up; on a GPU alone.
        whole_batches: each row is a whole batch, of which ``collate`` takes the part of its own
            process; ``batch_size`` is 1.

    Raises:
        InputError: there are no rows.
        ConfigError: fp16 is asked for on a CPU; the loss stopped being finite, or the processes
            cannot share the batches.
        KeyboardInterrupt: somebody asked for the end; the same call goes on from there.
    """
    from transformers import PrinterCallback, TrainerState

    from genrec.training.trainer import CheckpointingTrainer, Watcher

    if not len(rows):
        raise InputError("There is nothing to train on: the training set has no rows.")
    if fp16:
        need_gpu_for_fp16()
    company = Company.of_environment()
    if not company.alone and targets is None:
        raise ConfigError(
            f"This training cannot be shared by {company.count} processes: its loss compares the "
            "rows of a batch with one another. Start it without a launcher."
        )
    if not whole_batches:
        company.check_batch(config.batch_size)
    folder.mkdir(parents=True, exist_ok=True)
    identity = {"job": job, "config": {**asdict(config)}}
    learner = Learner(model, loss)
    zero = not company.alone and wants_zero(config.max_grad_norm)
    shards = zero or (not company.alone and wants_sharding())
    apart = [name for name in ("warm_rows_steps", "rows_learning_rate") if getattr(config, name)]
    if shards and warm is not None and apart:
        raise ConfigError(
            f"{' and '.join(apart)} set in a training whose gradients are shared out, where rows "
            "cannot be told apart. Set them to 0, or launch with DDP."
        )
    if shards and fp16:
        raise ConfigError(
            "float16 is asked for in a training whose gradients are shared out, where losses are "
            "not scaled up. Take bf16, or launch with DDP."
        )
    started = time.perf_counter()
    # Of several processes each would end after a step of its own.
    keeps = company.alone and bool(config.checkpoint_every)
    leaves = nullcontext() if zero else left_alone()
    # Weights change at each step, so validation and draws between steps use them as they lie.
    with leaves, accelerate_leaves_it(), not_prepacked(), stop_between_steps(heeded=keeps) as stop:
        # DeepSpeed would compute in bfloat16 alone; its weights stay in float32, as everybody's.
        bf16 = config.bf16 and not zero
        arguments = _arguments(config, folder, company, bf16=bf16, fp16=fp16)
        resume_from = _newest(folder, identity, company, arguments)
        if shards:
            place = next(model.parameters()).device
            learner = learner.cpu()
            if zero:
                learner = shared_out(learner)
            else:
                learner = sharded(learner, arguments.device, company.count)
        watcher = Watcher(
            model,
            config,
            folder,
            validate,
            progress,
            on_validation,
            company=company,
            parts=learner if shards else None,
            stop=stop,
        )
        trainer = CheckpointingTrainer(
            model=learner,
            args=arguments,
            train_dataset=TrainingRows(rows),
            data_collator=collate,
            callbacks=[watcher],
            watcher=watcher,
            identity=identity,
            targets=targets,
            warm=warm,
            new_rows=new_rows,
            times=times,
            whole_batches=whole_batches,
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
    if stop.asked:
        raise KeyboardInterrupt
    steps = trainer.state.global_step
    if shards:
        watcher.gather()
        model.to(place)
    if zero:
        forget()
    if not company.alone:
        distributed.barrier()
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


def need_gpu_for_fp16() -> None:
    """Sees that there is a GPU.

    Raises:
        ConfigError: there is none.
    """
    if not torch.cuda.is_available():
        raise ConfigError(
            "Training in float16 (fp16) needs a GPU, and there is none here: on a CPU small "
            "gradients would be lost. Take bf16, or no mixed precision."
        )


def _newest(
    folder: Path, identity: dict[str, Any], company: Company, arguments: TrainingArguments
) -> Path | None:
    """The checkpoint to go on from, as the main process finds it."""
    found = newest_checkpoint(folder, identity) if company.main else None
    if company.alone:
        return found
    step = int(found.name.rpartition("-")[2]) if found else 0
    step = int(told_by_main(step, arguments.device))
    return folder / f"checkpoint-{step}" if step else None


def _is_over(checkpoint: Path, config: FitConfig) -> bool:
    """Whether the run of a checkpoint had done all its steps, or had stopped early."""
    state = json.loads((checkpoint / STATE_FILE).read_text())
    since_best = sum(1 for step in state["metrics"] if int(step) > (state["best_step"] or 0))
    stopped = bool(config.patience) and since_best >= config.patience
    return stopped or int(checkpoint.name.rpartition("-")[2]) >= config.steps


def _arguments(
    config: FitConfig, folder: Path, company: Company, *, bf16: bool, fp16: bool
) -> TrainingArguments:
    from transformers import TrainingArguments

    # Without the variable, the TensorBoard callback would put the host's name into a folder name.
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=max(config.batch_size // company.count, 1),
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(
            config.schedule, config.schedule
        ),
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        seed=config.seed,
        data_seed=config.seed,
        bf16=bf16,
        fp16=fp16,
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
        # While the main process validates, the others wait.
        ddp_timeout=int(WORK.total_seconds()),
    )


def _has_tensorboard() -> bool:
    from importlib.util import find_spec

    return find_spec("tensorboard") is not None
