"""A chat model learns to write copy that is clicked: DPO on tests that ran, GRPO on a click model.

Text has no trie and no packed groups, so trl's own trainers do the work here (extra
``preference``), where items have learners of genrec's own. An adapter comes of it. trl keeps no
checkpoint that could be read without pickle, so a killed run begins anew.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from genrec.creatives.copy_options import CopyPreferenceConfig
from genrec.creatives.copy_reward import CopyReward
from genrec.errors import ConfigError, InputError, MissingExtra
from genrec.llm.adapt import adapted
from genrec.llm.options import BackboneConfig
from genrec.llm.text import Message
from genrec.llm.text_transformers import TransformersText
from genrec.workspace import write_artefact

log = logging.getLogger(__name__)

KIND = "copywriter"


@dataclass(frozen=True)
class CopyPair:
    """Two texts that answer one request.

    Attributes:
        prompt: the request.
        chosen: the one that was clicked more.
        rejected: the other.
    """

    prompt: Sequence[Message]
    chosen: str
    rejected: str


def learn_from_pairs(
    pairs: Sequence[CopyPair],
    folder: Path,
    config: CopyPreferenceConfig | None = None,
    *,
    progress: Callable[[int, int, float], None] | None = None,
    about: Mapping[str, Any] | None = None,
) -> list[float]:
    """DPO by trl; leaves a peft adapter in the folder.

    Args:
        about: JSON values kept beside the adapter.

    Returns:
        The loss of every step.

    Raises:
        ConfigError: there is no such model.
        InputError: there are no pairs.
        MissingExtra: trl is not installed.
    """
    config = config or CopyPreferenceConfig()
    if not pairs:
        raise InputError("There are no pairs to learn from. Give texts of tests that ran.")
    _check_trl()
    from trl import DPOConfig, DPOTrainer

    rows = [
        {
            "prompt": _chat(pair.prompt),
            "chosen": [{"role": "assistant", "content": pair.chosen}],
            "rejected": [{"role": "assistant", "content": pair.rejected}],
        }
        for pair in pairs
    ]
    options = DPOConfig(
        **_arguments(config),
        per_device_train_batch_size=config.batch_size,
        beta=config.beta,
        max_length=None,
    )
    return _train(DPOTrainer, options, rows, folder, config, progress, about=about or {})


def learn_from_clicks(
    prompts: Sequence[Sequence[Message]],
    reward: CopyReward,
    folder: Path,
    config: CopyPreferenceConfig | None = None,
    *,
    progress: Callable[[int, int, float], None] | None = None,
    about: Mapping[str, Any] | None = None,
) -> list[float]:
    """GRPO by trl: the model writes ``reward.group`` texts for each request and learns from them.

    Strictly on-policy: one step with each batch of texts. Leaves a peft adapter in the folder.

    Args:
        reward: of the texts; a click model is easily flattered, so read what comes of it.
        about: JSON values kept beside the adapter.

    Returns:
        The mean reward deviation of every step, as trl logs it: 0 where all texts earn the same.

    Raises:
        ConfigError: there is no such model, or the batch holds no whole groups.
        InputError: there are no requests.
        MissingExtra: trl is not installed.
    """
    config = config or CopyPreferenceConfig()
    if not prompts:
        raise InputError("There are no requests to write copy for.")
    if config.batch_size % reward.group:
        raise ConfigError(
            f"batch_size is {config.batch_size}, and texts come in groups of {reward.group}. Make "
            "it a multiple."
        )
    _check_trl()
    from trl import GRPOConfig, GRPOTrainer

    options = GRPOConfig(
        **_arguments(config),
        per_device_train_batch_size=config.batch_size,
        num_generations=reward.group,
        num_iterations=1,
        steps_per_generation=1,
        max_completion_length=config.answer_tokens,
        beta=config.kl,
        temperature=config.temperature,
        scale_rewards="group" if config.divide_by_std else "none",
    )
    rows = [{"prompt": _chat(prompt)} for prompt in prompts]
    return _train(
        GRPOTrainer,
        options,
        rows,
        folder,
        config,
        progress,
        about=about or {},
        told="reward_std",
        reward_funcs=reward,
    )


def _check_trl() -> None:
    for package in ("trl", "datasets"):
        if find_spec(package) is None:
            raise MissingExtra(package, "preference", "Learning to write copy from preference")


def _chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _arguments(config: CopyPreferenceConfig) -> dict[str, Any]:
    import torch

    return {
        # Named since trl asks for it; nothing is saved there.
        "output_dir": str(Path(tempfile.gettempdir()) / "genrec-trl"),
        "max_steps": config.steps,
        "learning_rate": config.learning_rate,
        "seed": config.seed,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": not torch.cuda.is_available(),
    }


def _train(
    trainer_of: Any,
    options: Any,
    rows: list[dict[str, Any]],
    folder: Path,
    config: CopyPreferenceConfig,
    progress: Callable[[int, int, float], None] | None,
    *,
    about: Mapping[str, Any],
    told: str = "loss",
    **further: Any,
) -> list[float]:
    """Runs one of trl's trainers and keeps its adapter; what it told at each step."""
    import datasets
    from transformers import PrinterCallback

    writer = TransformersText(config.llm)
    adapter = BackboneConfig(
        name=config.llm,
        lora_rank=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=0.0,
        lora_rows=False,
        seed=config.seed,
    )
    model = adapted(writer.model, adapter, rows=())
    datasets.disable_progress_bars()
    trainer = trainer_of(
        model=model,
        args=options,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=writer.text_tokenizer,
        callbacks=[_progress_callback(progress)],
        **further,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    history = [entry[told] for entry in trainer.state.log_history if told in entry]
    log.info("learned in %d steps", trainer.state.global_step)
    with write_artefact(folder, KIND, steps=trainer.state.global_step, **about) as inside:
        model.save_pretrained(inside, save_embedding_layers=False)
    return [float(one) for one in history]


def _progress_callback(progress: Callable[[int, int, float], None] | None) -> Any:
    from transformers import TrainerCallback

    class Told(TrainerCallback):
        def on_log(self, _args: Any, state: Any, _control: Any, **told: Any) -> None:
            logs = told.get("logs") or {}
            if progress is not None and "loss" in logs:
                progress(state.global_step, state.max_steps, float(logs["loss"]))

    return Told()
