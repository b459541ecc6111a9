"""Any causal LM of transformers with semantic-ID tokens added: load, adapt, run, save.

Knows tokens and hidden states; knows nothing of items, histories or training.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from genrec.errors import ArtefactError, ConfigError
from genrec.llm.options import BackboneConfig
from genrec.llm.presets import PACKAGED, SCRATCH, byte_tokenizer, scratch_model

log = logging.getLogger(__name__)

BASKET = "<basket>"
# Of an export: our folder beside the model's files, what it says and the head's rows.
OURS, ABOUT, ROWS = "genrec", "backbone.json", "head_rows.safetensors"


class Backbone(nn.Module):
    """A causal LM whose vocabulary has semantic-ID tokens.

    Attributes:
        model: the transformers model, wrapped by peft when it has an adapter.
        text_tokenizer: the LLM's own tokenizer with the new tokens.
        token_ids: vocabulary row of each semantic-ID token, level by level, int64.
        codebook_sizes: number of tokens at each level.
        basket_id: vocabulary row of the token that opens a basket.
    """

    token_ids: Tensor

    def __init__(
        self,
        model: Any,
        text_tokenizer: PreTrainedTokenizerBase,
        config: BackboneConfig,
        token_names: Sequence[str],
        codebook_sizes: Sequence[int],
    ) -> None:
        super().__init__()
        self.model = model
        self.text_tokenizer = text_tokenizer
        self.settings = config
        self.codebook_sizes = tuple(codebook_sizes)
        self.token_names = list(token_names)
        rows = text_tokenizer.convert_tokens_to_ids([*token_names, BASKET])
        self.basket_id = int(rows[-1])
        self.register_buffer("token_ids", torch.tensor(rows[:-1]), persistent=False)
        # An instruct model's sampling defaults would remove legal tokens without a word.
        base(model).generation_config = GenerationConfig(
            bos_token_id=text_tokenizer.bos_token_id,
            eos_token_id=text_tokenizer.eos_token_id,
            pad_token_id=text_tokenizer.pad_token_id,
        )

    @staticmethod
    def create(
        config: BackboneConfig,
        token_names: Sequence[str],
        codebook_sizes: Sequence[int],
        *,
        words: Sequence[Sequence[str]] | None = None,
    ) -> Backbone:
        """Loads the LLM, adds the tokens and makes trainable what ``config.adapt`` says.

        Args:
            words: for each new token, texts that it stands for; a pretrained LLM's new rows start
                at the mean embedding of these words, which carries meaning from the first step.

        Raises:
            ConfigError: the LLM cannot be found.
        """
        model, text_tokenizer = _load_base(config, token_names)
        if words is not None and config.name not in SCRATCH:
            _start_rows_from_words(model, text_tokenizer, token_names, words)
        rows = text_tokenizer.convert_tokens_to_ids([*token_names, BASKET])
        return Backbone(
            _adapted(model, config, rows), text_tokenizer, config, token_names, codebook_sizes
        )

    def hidden_states(self, **inputs: Any) -> Any:
        """The decoder's output for the head: ``last_hidden_state``, shape (rows, tokens, width).

        Args:
            inputs: as of the transformers model (``input_ids``, a 4-D ``attention_mask``, …).
        """
        return base(self.model).get_decoder()(**inputs)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Input embeddings, shape (rows, tokens, width)."""
        return base(self.model).get_input_embeddings()(input_ids)

    def head_rows(self) -> Tensor:
        """The head's rows of all semantic-ID tokens, shape (tokens, width), with gradients."""
        head = base(self.model).get_output_embeddings()
        adapter = getattr(head, "token_adapter", None)
        if adapter is not None:
            # The adapter keeps exactly the new rows, in our order, the basket token last.
            return adapter.trainable_tokens_delta[head.active_adapters[0]][:-1]
        return head.weight[self.token_ids]

    def level_logits(self, hidden: Tensor, level: int, rows: Tensor | None = None) -> Tensor:
        """Logits over the tokens of one level, shape (…, codebook_sizes[level]), float32.

        Args:
            rows: ``head_rows()``, when the caller has it already.
        """
        rows = self.head_rows() if rows is None else rows
        start = sum(self.codebook_sizes[:level])
        rows = rows[start : start + self.codebook_sizes[level]]
        logits = (hidden @ rows.to(hidden.dtype).T).float()
        config = base(self.model).config.get_text_config()
        scale = getattr(config, "logit_scale", None)
        logits = logits if scale is None else logits * scale
        cap = getattr(config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    @property
    def sliding_window(self) -> int | None:
        """Tokens that some layer looks back at most; ``None`` when all see everything."""
        config = base(self.model).config.get_text_config()
        kinds = getattr(config, "layer_types", None)
        window: int | None = getattr(config, "sliding_window", None)
        return window if kinds is None or "sliding_attention" in kinds else None

    @property
    def mixes_windows(self) -> bool:
        """Whether the model takes one mask for each kind of layer."""
        return hasattr(base(self.model).config.get_text_config(), "layer_types")

    @property
    def trained_parameters(self) -> int:
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @property
    def device(self) -> torch.device:
        return self.token_ids.device

    def write(self, folder: Path) -> None:
        """Writes a peft adapter folder (or the whole model), the tokenizer and the config."""
        if hasattr(self.model, "peft_config"):
            self.model.save_pretrained(folder / "adapter", save_embedding_layers=False)
        else:
            self.model.save_pretrained(folder / "model")
        self.text_tokenizer.save_pretrained(folder / "tokenizer")
        self._describe(folder)

    def _describe(self, folder: Path) -> None:
        about = {
            "config": asdict(self.settings),
            "token_names": self.token_names,
            "codebook_sizes": self.codebook_sizes,
        }
        (folder / ABOUT).write_text(json.dumps(about))

    @staticmethod
    def read(folder: Path) -> Backbone:
        """Reads what ``write`` wrote.

        Raises:
            ArtefactError: the folder holds no backbone.
            ConfigError: the LLM under the adapter cannot be found.
        """
        config, names, sizes = _description(folder)
        text_tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
        if (folder / "adapter").is_dir():
            from peft import PeftModel

            model, _ = _load_base(config, names)
            model = PeftModel.from_pretrained(model, str(folder / "adapter"))
        else:
            model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
        return Backbone(model, text_tokenizer, config, names, sizes).eval()

    def export_merged(self, folder: Path) -> None:
        """Writes one plain transformers model with the adapter merged in, and its tokenizer.

        The folder ``genrec`` in it says what the semantic-ID tokens are, and has the head's rows of
        them; other programs pass it by.
        """
        import copy

        model = self.model
        if hasattr(model, "peft_config"):
            model = copy.deepcopy(model).merge_and_unload()
        model.save_pretrained(folder)
        self.text_tokenizer.save_pretrained(folder)
        (folder / OURS).mkdir(exist_ok=True)
        self._describe(folder / OURS)
        rows = model.get_output_embeddings().weight[self.token_ids].detach().contiguous()
        save_file({"head_rows": rows.cpu()}, folder / OURS / ROWS)

    @staticmethod
    def outline(folder: Path) -> tuple[Backbone, Tensor]:
        """A backbone without weights, for an engine that has them, and its ``head_rows``.

        It knows tokens and options and turns hidden states into logits; it cannot run.

        Args:
            folder: what ``export_merged`` wrote.

        Raises:
            ArtefactError: the folder is not such an export.
        """
        config, names, sizes = _description(folder / OURS)
        try:
            rows = load_file(folder / OURS / ROWS)["head_rows"]
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
            text_tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ArtefactError(f"{folder} is no whole export ({error}). Export again.") from error
        return Backbone(model, text_tokenizer, config, names, sizes).eval(), rows


def base(model: Any) -> PreTrainedModel:
    """The transformers model inside a peft wrapper."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _description(folder: Path) -> tuple[BackboneConfig, list[str], list[int]]:
    """Options, token names and codebook sizes from ``backbone.json``."""
    try:
        about = json.loads((folder / ABOUT).read_text())
        return BackboneConfig(**about["config"]), about["token_names"], about["codebook_sizes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{folder} holds no backbone ({error}). Train again.") from error


def _load_base(config: BackboneConfig, token_names: Sequence[str]) -> tuple[Any, Any]:
    new_tokens = [*token_names, BASKET]
    if config.name in SCRATCH:
        text_tokenizer = byte_tokenizer()
        text_tokenizer.add_tokens(new_tokens, special_tokens=True)
        model = scratch_model(
            SCRATCH[config.name],
            len(text_tokenizer),
            seed=config.seed,
            attention_dropout=config.attention_dropout,
        )
        return model, text_tokenizer
    folder = config.name
    known = [*SCRATCH, *PACKAGED]
    close = get_close_matches(config.name, known, n=1, cutoff=0.8)
    if close and config.name not in known and not Path(config.name).exists():
        # A hub is asked for minutes before it says that there is no such name.
        raise ConfigError(f"There is no LLM '{config.name}'; did you mean '{close[0]}'?")
    if config.name in PACKAGED:
        from genrec.llm.weights import smollm2_folder

        folder = str(smollm2_folder())
    try:
        text_tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=_dtype(config))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The LLM '{config.name}' could not be loaded: {str(error).splitlines()[0]} "
            f"Offline there are: {', '.join([*SCRATCH, *PACKAGED])}, or a local folder."
        ) from error
    text_tokenizer.add_tokens(new_tokens, special_tokens=True)
    if text_tokenizer.pad_token is None:
        text_tokenizer.pad_token = text_tokenizer.eos_token
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model.resize_token_embeddings(
            max(len(text_tokenizer), model.get_input_embeddings().weight.shape[0]),
            mean_resizing=False,
        )
    return model, text_tokenizer


def _dtype(config: BackboneConfig) -> torch.dtype:
    if config.dtype != "auto":
        return getattr(torch, config.dtype)
    return torch.bfloat16 if config.adapt != "full" and computes_bfloat16() else torch.float32


def computes_bfloat16() -> bool:
    """Whether this machine computes in bfloat16 faster than in float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _start_rows_from_words(
    model: Any, text_tokenizer: Any, token_names: Sequence[str], words: Sequence[Sequence[str]]
) -> None:
    tables = {id(e.weight): e.weight for e in (model.get_input_embeddings(),)}
    head = model.get_output_embeddings()
    tables[id(head.weight)] = head.weight
    rows = text_tokenizer.convert_tokens_to_ids(list(token_names))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in tables.values():
            known = weight[: min(rows)].float()
            spread = known.std(0)
            for row, texts in zip(rows, words, strict=True):
                start = known.mean(0)
                if texts:
                    ids = text_tokenizer(list(texts), add_special_tokens=False)["input_ids"]
                    start = torch.stack([known[torch.tensor(i)].mean(0) for i in ids if i]).mean(0)
                noise = torch.randn(len(spread), generator=generator) * spread * 0.2
                weight[row] = (start + noise.to(start.device)).to(weight.dtype)


def _adapted(model: Any, config: BackboneConfig, rows: Sequence[int]) -> Any:
    if config.adapt == "full":
        return model
    from peft import LoraConfig, TrainableTokensConfig, get_peft_model

    tables: Any = list(rows)
    if not model.config.get_text_config().tie_word_embeddings:
        tables = {"embed_tokens": list(rows), "lm_head": list(rows)}
    if config.adapt == "frozen":
        return get_peft_model(model, TrainableTokensConfig(token_indices=list(rows)))
    adapter = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=(
            config.lora_targets
            if config.lora_targets == "all-linear"
            else config.lora_targets.split(",")
        ),
        trainable_token_indices=tables,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return get_peft_model(model, adapter)
