"""vLLM holds the weights and runs the LLM; genrec turns its hidden states into log-probabilities.

The engine runs as a pooling model: it gives the last hidden state of each sequence, not a token.
The head is then multiplied here, for the codes of one level alone, by the same code as in training.
So no row of the whole vocabulary is computed, sorted or sent; the scores equal those of
transformers; and nothing depends on which of vLLM's model runners is at work. The beams of a user
share a prompt, which vLLM's prefix cache computes once.

Knows tokens and hidden states; knows nothing of items or beams.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from genrec.errors import ArtefactError, ConfigError, GenrecError, InputError, MissingExtra
from genrec.llm.backbone import Backbone

log = logging.getLogger(__name__)

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# What changes an adapter's meaning and is not known to vLLM's LoRA layers.
_REFUSED = (
    "modules_to_save",
    "trainable_token_indices",
    "use_dora",
    "lora_bias",
    "layer_replication",
    "alora_invocation_tokens",
    "target_parameters",
    "use_qalora",
    "use_bdlora",
)
_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")


class VllmEngine:
    """A running vLLM engine over an export of ``Backbone.export_merged``.

    A context manager; ``close`` ends every process that it started. Calls from several threads
    take turns.

    Args:
        folder: the export.
        adapter: a peft folder of LoRA on linear layers, applied on top of the export.
        options: any option of ``vllm.LLM``: ``tensor_parallel_size``, ``quantization``,
            ``distributed_executor_backend``, ``gpu_memory_utilization``, ``max_model_len``, …

    Attributes:
        backbone: tokens and options of the LLM, without weights.

    Raises:
        ArtefactError: the folder is not an export.
        ConfigError: vLLM cannot apply the adapter, or does not start with these options.
        MissingExtra: vLLM is not installed.
    """

    def __init__(
        self, folder: str | Path, *, adapter: str | Path | None = None, **options: Any
    ) -> None:
        self._llm: Any = None
        self._turn = Lock()
        self._adapter: Any = None
        folder = Path(folder)
        if not (folder / "config.json").is_file():
            raise ArtefactError(
                f"{folder} holds no exported LLM. Write it first: Backbone.export_merged(folder)"
            )
        if adapter is not None:
            rank = check_adapter(Path(adapter))
            options = {"enable_lora": True, "max_lora_rank": rank, **options}
        self.backbone, self._head = Backbone.outline(folder)
        vllm = _import_vllm()
        options = {**_defaults(folder), **options}
        # In this process, unless the caller's environment says otherwise: one less to look after.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        try:
            self._llm = vllm.LLM(model=str(folder), runner="pooling", convert="embed", **options)
        except (ValueError, TypeError, RuntimeError, AssertionError) as error:
            _clean_up()
            raise ConfigError(
                f"vLLM does not start with {folder}: {_first_line(error)} Options given: {options}"
            ) from error
        self._parameters = vllm.PoolingParams(use_activation=False)
        if adapter is not None:
            from vllm.lora.request import LoRARequest

            self._adapter = LoRARequest("adapter", 1, str(adapter))

    @property
    def token_ids(self) -> Tensor:
        return self.backbone.token_ids

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return self.backbone.codebook_sizes

    @property
    def longest(self) -> int:
        """The number of tokens that a sequence may have."""
        return int(self._running().model_config.max_model_len) - 1

    def level_log_probabilities(self, sequences: Sequence[Sequence[int]], level: int) -> Tensor:
        """What comes next: log p(code) over the codes of one level.

        Args:
            sequences: token ids of a prompt and the codes chosen so far; at least one each.

        Returns:
            Shape (sequences, codebook_sizes[level]), float32, normalised over the level.

        Raises:
            InputError: sequences that are empty or longer than the engine takes.
            ConfigError: the engine is closed.
        """
        return torch.log_softmax(
            self.backbone.level_logits(self._hidden(sequences), level, self._head), dim=-1
        )

    @torch.inference_mode()
    def _hidden(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        longest = self.longest
        if wrong := [
            f"sequence {row} has {len(tokens)} tokens"
            for row, tokens in enumerate(sequences)
            if not 0 < len(tokens) <= longest
        ]:
            raise InputError(
                f"The engine takes 1 to {longest} tokens. Shorten the history, or raise "
                "max_model_len.",
                wrong,
            )
        with self._turn:
            found = self._running().encode(
                [{"prompt_token_ids": list(tokens)} for tokens in sequences],
                pooling_params=self._parameters,
                pooling_task="embed",
                lora_request=self._adapter,
                use_tqdm=False,
            )
        hidden = torch.stack([output.outputs.data for output in found])
        return hidden.to(self._head.dtype)

    def health(self) -> bool:
        """Whether a token goes through the engine."""
        try:
            return bool(self._hidden([[self.backbone.basket_id]]).isfinite().all())
        except GenrecError:
            return False
        # Whatever vLLM raises, the answer is the same.
        except Exception as error:  # noqa: BLE001
            log.warning("vLLM does not answer: %s", _first_line(error))
            return False

    def close(self) -> None:
        """Ends the engine and its processes; closing twice does nothing."""
        with self._turn:
            llm, self._llm = self._llm, None
            if llm is not None:
                llm.llm_engine.engine_core.shutdown()
                del llm
                _clean_up()

    def __enter__(self) -> VllmEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _running(self) -> Any:
        if self._llm is None:
            raise ConfigError("The vLLM engine is closed. Open another: VllmEngine(folder)")
        return self._llm


def check_adapter(folder: Path) -> int:
    """The rank to make room for, of an adapter that vLLM can apply.

    Looked at before the start: after a failed load, vLLM's next call can hang.

    Raises:
        ArtefactError: the folder holds no adapter.
        ConfigError: vLLM cannot apply it, or it changes the tokens, whose rows are the export's.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text())
        with safe_open(folder / "adapter_model.safetensors", "pt") as file:
            tensors = list(file.keys())
    except (OSError, ValueError, SafetensorError) as error:
        raise ArtefactError(f"{folder} holds no whole adapter ({error}).") from error
    wrong = [f"{name}={config[name]!r}" for name in _REFUSED if config.get(name)]
    if config.get("peft_type") != "LORA":
        wrong.append(f"peft_type={config.get('peft_type')!r}")
    if config.get("bias", "none") != "none":
        wrong.append(f"bias={config['bias']!r}")
    start = config.get("init_lora_weights", True)
    if isinstance(start, str) and start.lower() not in _INITS:
        wrong.append(f"init_lora_weights={start!r}")
    if any(part in tensor for tensor in tensors for part in ("lm_head", "embed_tokens")):
        wrong.append("tensors of the embedding or the head")
    rank = max([config.get("r", 0), *(config.get("rank_pattern") or {}).values()])
    if rank > RANKS[-1]:
        wrong.append(f"rank {rank}, above {RANKS[-1]}")
    if wrong:
        raise ConfigError(
            f"vLLM cannot apply the adapter in {folder}: {', '.join(wrong)}. Merge it into the "
            "LLM first: Backbone.export_merged(folder), and open that folder without an adapter."
        )
    return next(size for size in RANKS if size >= rank)


def _defaults(folder: Path) -> dict[str, Any]:
    from vllm.platforms import current_platform

    config = json.loads((folder / "config.json").read_text())
    chosen: dict[str, Any] = {
        "enable_prefix_caching": True,
        "pooler_config": {"seq_pooling_type": "LAST"},
        "disable_log_stats": True,
    }
    # vLLM's own choice turns float32 weights into 16 bits.
    if dtype := config.get("dtype") or config.get("torch_dtype"):
        chosen["dtype"] = dtype
    if current_platform.is_cpu():
        # The smallest that it has on a CPU: what is left of a prompt after whole blocks is
        # computed anew for every beam. Compiling takes longer than it saves.
        chosen |= {"block_size": 32, "enforce_eager": True}
    return chosen


def _import_vllm() -> Any:
    try:
        import vllm
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "vllm":
            raise
        raise MissingExtra("vllm", "vllm", "Decoding with vLLM") from error
    return vllm


def _clean_up() -> None:
    from vllm.distributed import cleanup_dist_env_and_memory

    cleanup_dist_env_and_memory()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
