"""The LLM under an adaptation: found, loaded (in few bits where asked for), given new tokens."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from genrec.encoders.loading import refuse_missing_folder
from genrec.errors import ConfigError, MissingExtra
from genrec.llm.options import BackboneConfig
from genrec.llm.presets import PACKAGED, SCRATCH, byte_tokenizer, scratch_model
from genrec.llm.sight import model_class


def load_base(config: BackboneConfig, tokens: Sequence[str]) -> tuple[Any, Any]:
    """The LLM of a name and its text tokenizer, both with these tokens.

    Raises:
        ConfigError: the LLM cannot be found, or cannot be held in few bits.
        MissingExtra: few bits need bitsandbytes.
    """
    if config.name in SCRATCH:
        if config.quantized != "none":
            raise ConfigError(
                f"The LLM '{config.name}' has random weights, which cannot stay frozen in "
                f"{config.quantized}. Take a pretrained one, or quantize: none."
            )
        text_tokenizer = byte_tokenizer()
        text_tokenizer.add_tokens(list(tokens), special_tokens=True)
        model = scratch_model(
            SCRATCH[config.name],
            len(text_tokenizer),
            seed=config.seed,
            attention_dropout=config.attention_dropout,
            hidden_dropout=config.hidden_dropout,
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
        refuse_missing_folder(folder)
        text_tokenizer = AutoTokenizer.from_pretrained(folder)
        model = read_weights(folder, config)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The LLM '{config.name}' could not be loaded: {str(error).splitlines()[0]} "
            f"Offline there are: {', '.join([*SCRATCH, *PACKAGED])}, or a local folder."
        ) from error
    add_tokens(model, text_tokenizer, tokens, seed=config.seed)
    return model, text_tokenizer


def read_weights(folder: str | Path, config: BackboneConfig) -> Any:
    """A causal LM of a folder or a hub, in the numbers that the options ask for.

    Weights that were saved in few bits are read as they are.

    Raises:
        MissingExtra: few bits need bitsandbytes.
    """
    options: dict[str, Any] = {"dtype": frozen_dtype(config), "use_safetensors": True}
    if config.quantized != "none":
        if find_spec("bitsandbytes") is None:
            raise MissingExtra("bitsandbytes", "quantize", f"Loading in {config.quantized}")
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_8bit=config.quantized == "8bit",
            load_in_4bit=config.quantized == "4bit",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=options["dtype"],
        )
        here = torch.cuda.current_device() if torch.cuda.is_available() else "cpu"
        options["device_map"] = {"": here}
    model = model_class(folder).from_pretrained(folder, **options)
    if getattr(model, "is_loaded_in_4bit", False):
        _keep_packing(model)
    return model


def _keep_packing(model: Any) -> None:
    """Has 4-bit weights stay as they were packed.

    On some CPUs, bitsandbytes packs them anew in place when a model first infers, rounds their
    scales to bfloat16 and cannot train on the result, as one that is validated must; and it does
    so for shapes alone that are multiples of its block.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def add_tokens(model: Any, text_tokenizer: Any, tokens: Sequence[str], *, seed: int) -> None:
    """Gives both the tokens that they lack; new rows are random by the seed."""
    text_tokenizer.add_tokens(list(tokens), special_tokens=True)
    if text_tokenizer.pad_token is None:
        text_tokenizer.pad_token = text_tokenizer.eos_token
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.resize_token_embeddings(
            max(len(text_tokenizer), model.get_input_embeddings().weight.shape[0]),
            mean_resizing=False,
        )


def frozen_dtype(config: BackboneConfig) -> torch.dtype:
    """Of the weights that do not train."""
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


def start_rows_from_words(
    model: Any, text_tokenizer: Any, token_names: Sequence[str], words: Sequence[Sequence[str]]
) -> None:
    """Sets the row of each token to the mean row of the words of its texts, with some noise."""
    rows = text_tokenizer.convert_tokens_to_ids(list(token_names))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in _tables(model):
            known = weight[: min(rows)].float()
            spread = known.std(0)
            for row, texts in zip(rows, words, strict=True):
                start = known.mean(0)
                if texts:
                    ids = text_tokenizer(list(texts), add_special_tokens=False)["input_ids"]
                    start = torch.stack([known[torch.tensor(i)].mean(0) for i in ids if i]).mean(0)
                noise = torch.randn(len(spread), generator=generator) * spread.cpu() * 0.2
                weight[row] = (start + noise.to(start.device)).to(weight.dtype)


def start_rows_from_text(
    model: Any, text_tokenizer: Any, sets: Sequence[Sequence[str]], text: str
) -> None:
    """Sets the rows of each set of tokens to the rows of the text's tokens, repeated to its length.

    So ``PromptTuningInit.TEXT`` of peft starts a soft prompt (Lester, Al-Rfou and Constant 2021).
    """
    ids = text_tokenizer(text, add_special_tokens=False)["input_ids"]
    if not ids:
        return
    with torch.no_grad():
        for weight in _tables(model):
            for names in sets:
                rows = text_tokenizer.convert_tokens_to_ids(list(names))
                source = [ids[place % len(ids)] for place in range(len(rows))]
                weight[rows] = weight[source]


def _tables(model: Any) -> list[torch.Tensor]:
    """The input embeddings and the head's rows, once if they are tied."""
    both = (model.get_input_embeddings().weight, model.get_output_embeddings().weight)
    return list({id(weight): weight for weight in both}.values())
