"""What of an LLM is trained: peft's adapters put on, written, read and merged.

Knows modules and rows of tokens; knows nothing of what the tokens mean.
"""

from __future__ import annotations

import copy
import json
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoTokenizer

from genrec.errors import ArtefactError, ConfigError
from genrec.llm.loading import add_tokens, frozen_dtype, load_base
from genrec.llm.options import BackboneConfig
from genrec.llm.sight import model_class, projector, sees
from genrec.workspace import Workspace, open_artefact, seal_of

ADAPTER, MODEL, TOKENIZER, START = "adapter", "model", "tokenizer", "start_from.json"
# peft's own name for the only adapter; in a mixture, the one that every row has.
SHARED = "default"


def starting_model(config: BackboneConfig, tokens: Sequence[str]) -> tuple[Any, Any]:
    """The LLM that an adaptation starts from, with these tokens, and its text tokenizer.

    Raises:
        ConfigError: there is no such LLM, or no earlier run in ``start_from``.
        ArtefactError: the earlier run's recommender is missing or damaged.
    """
    if not config.start_from:
        return load_base(config, tokens)
    if config.quantized != "none":
        raise ConfigError(
            f"llm.start_from is {config.start_from} and its LLM is merged from an adapter, which "
            f"cannot be held in {config.quantized}. Export it (Backbone.export_merged) and name "
            "that folder in llm.name."
        )
    folder = earlier(config.start_from)
    before, _, _ = described(folder)
    model, text_tokenizer = read_model(folder, replace(before, dtype=_dtype_name(config)))
    model = merged(model).to(frozen_dtype(config))
    add_tokens(model, text_tokenizer, tokens, seed=config.seed)
    return model.requires_grad_(requires_grad=True), text_tokenizer


def _dtype_name(config: BackboneConfig) -> str:
    return str(frozen_dtype(config)).removeprefix("torch.")


def in_use(config: BackboneConfig) -> BackboneConfig:
    """The options with the folder of the version that the earlier run has in use.

    What is trained on it stays on it, whichever version an update puts into use later.
    """
    if not config.start_from:
        return config
    return replace(config, start_from=str(Workspace(config.start_from).place))


def earlier(run: str) -> Path:
    """The recommender in the folder of an earlier run, or of one version of it, checked.

    Raises:
        ArtefactError: it is missing or damaged.
    """
    folder = Path(run) / "recommender"
    open_artefact(folder, "recommender")
    return folder


def described(folder: Path) -> tuple[BackboneConfig, list[str], dict[str, Any]]:
    """Options and token names from ``backbone.json``, and all that it says.

    Raises:
        ArtefactError: the folder holds no backbone.
    """
    try:
        about = json.loads((folder / "backbone.json").read_text())
        # Written before there were prefixes and mixtures.
        about = {"extra_tokens": ["<basket>"], "soft": {}, "domains": [], **about}
        return BackboneConfig(**about["config"]), about["token_names"], about
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{folder} holds no backbone ({error}). Train again.") from error


def adapted(
    model: Any, config: BackboneConfig, rows: Sequence[int], domains: Sequence[str] = ()
) -> Any:
    """The model with what ``config.adapt`` trains; everything else is frozen.

    Args:
        rows: vocabulary rows that train.
        domains: adapters of a mixture, beside the one for all.

    Raises:
        ConfigError: layers that the LLM does not have, or a mixture of nothing.
    """
    if config.adapt == "full":
        return _without_tower(model)
    from peft import TrainableTokensConfig, get_peft_model

    if config.adapt in ("frozen", "prompt"):
        tables = list(_token_tables(model, rows))
        options = TrainableTokensConfig(token_indices=list(rows), target_modules=tables)
        with _quiet_about_ties():
            return _with_float32_rows(get_peft_model(model, options))
    if config.adapt == "mixture" and not domains:
        raise ConfigError(
            "adapt is mixture, but there are no groups. Name a column of the users or of the "
            "catalogue in prompt.group_by."
        )
    trained = _token_tables(model, rows) if config.lora_rows else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        # Of the bare model: names of layers to adapt are no more found in one that is wrapped.
        own = {name: _lora(model, config, None) for name in domains}
        wrapped = get_peft_model(model, _lora(model, config, trained))
        if config.adapt == "mixture":
            for name, options in own.items():
                wrapped.add_adapter(adapter_name(name), options)
            train_all(wrapped, domains)
    return _with_float32_rows(wrapped)


def _without_tower(model: Any) -> Any:
    """What a model sees by stays as it is: pictures' tokens are computed once and kept."""
    if sees(model.config):
        trained = [model.get_decoder(), model.get_output_embeddings()]
        if (join := projector(model)) is not None:
            trained.append(join)
        model.requires_grad_(requires_grad=False)
        for module in trained:
            module.requires_grad_(requires_grad=True)
    return model


def train_all(model: Any, domains: Sequence[str]) -> None:
    """Lets the domains' adapters train beside the one for all; ``Mixture`` lets them act."""
    model.base_model.set_adapter([SHARED])
    own = tuple(map(adapter_name, domains))
    for module in model.modules():
        for name in own:
            for half in (getattr(module, "lora_A", {}), getattr(module, "lora_B", {})):
                if name in half:
                    half[name].requires_grad_(requires_grad=True)


def adapter_name(domain: str) -> str:
    """What peft calls a domain's adapter; a bare name may be part of peft's own words."""
    return f"for-{domain}"


def _token_tables(model: Any, rows: Sequence[int]) -> dict[str, list[int]]:
    """The rows of each table of tokens, by its module's name; a tied head follows by itself."""
    tables = [model.get_input_embeddings()]
    # Configurations say it in different places; the weights themselves say it in one.
    if model.get_output_embeddings().weight is not tables[0].weight:
        tables.append(model.get_output_embeddings())
    names = {id(module): name for name, module in model.named_modules()}
    return {names[id(table)].rpartition(".")[2]: list(rows) for table in tables}


# Parts of peft's names of what trains whole, not by a low rank.
_WHOLE = ("trainable_tokens_delta", "modules_to_save")


def _with_float32_rows(model: Any) -> Any:
    # In bfloat16, an optimiser's small steps would round to nothing.
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and any(part in name for part in _WHOLE):
            parameter.data = parameter.data.float()
    return model


def _lora(model: Any, config: BackboneConfig, rows: dict[str, list[int]] | None) -> Any:
    from peft import LoraConfig

    layers = model.config.get_text_config().num_hidden_layers
    ranks = config.layer_ranks(layers)
    own = {layer: rank for layer, rank in ranks.items() if rank != config.lora_rank}
    scale = config.lora_alpha / config.lora_rank
    targets: Any = config.lora_targets
    if targets != "all-linear":
        targets = [name.strip() for name in targets.split(",")]
    elif config.lora_layers:
        # peft chooses layers only for targets that are named.
        targets = _linear_names(model)
    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=targets,
        use_dora=config.adapt == "dora",
        layers_to_transform=list(ranks) if config.lora_layers else None,
        rank_pattern={_in_layer(layer): rank for layer, rank in own.items()},
        alpha_pattern={_in_layer(layer): scale * rank for layer, rank in own.items()},
        trainable_token_indices=rows,
        exclude_modules=_outside_decoder(model) if sees(model.config) else None,
        modules_to_save=["multi_modal_projector"] if projector(model) is not None else None,
        task_type="CAUSAL_LM",
    )


def _outside_decoder(model: Any) -> str:
    """A pattern of all modules but those of the text decoder: towers get no adapter."""
    names = {id(module): name for name, module in model.named_modules()}
    return rf"(?!{re.escape(names[id(model.get_decoder())])}\.).*"


def _in_layer(layer: int) -> str:
    return rf".*\.{layer}\..*"


def _linear_names(model: Any) -> list[str]:
    head = model.get_output_embeddings()
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module is not head
        }
    )


def base(model: Any) -> Any:
    """The transformers model inside a peft wrapper."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def trained_rows(head: nn.Module) -> torch.Tensor | None:
    """The rows of the new tokens that peft trains in a table, in their order; ``None`` if none."""
    adapter = getattr(head, "token_adapter", head)
    rows = getattr(adapter, "trainable_tokens_delta", None)
    return rows[SHARED] if rows is not None and SHARED in rows else None


def row_parameters(model: Any) -> list[nn.Parameter]:
    """Rows of tokens that peft trains apart from their tables, a tied head's once."""
    return [one for name, one in model.named_parameters() if "trainable_tokens_delta" in name]


def keep_rows_alone(model: Any, rows: Sequence[int]) -> None:
    """Drops the gradients of all that trains but the rows of these tokens."""
    whole = base(model)
    tables = [whole.get_input_embeddings(), whole.get_output_embeddings()]
    shared = {id(getattr(table, "weight", None)) for table in tables}
    for name, parameter in model.named_parameters():
        if parameter.grad is None or "trainable_tokens_delta" in name:
            continue
        if id(parameter) not in shared:
            parameter.grad = None
            continue
        kept = torch.zeros(len(parameter), 1, dtype=parameter.dtype, device=parameter.device)
        kept[list(rows)] = 1
        parameter.grad.mul_(kept)


def write_model(model: Any, folder: Path, config: BackboneConfig) -> None:
    """Writes a peft adapter folder, or the whole model where there is no adapter."""
    if hasattr(model, "peft_config"):
        model.save_pretrained(
            folder / ADAPTER, save_embedding_layers=False, selected_adapters=[SHARED]
        )
        for name in model.peft_config:
            if name != SHARED:
                _write_adapter(model, name, folder / ADAPTER / name)
    else:
        model.save_pretrained(folder / MODEL)
    if config.start_from:
        about = {"run": config.start_from, "recommender": seal_of(earlier(config.start_from))}
        (folder / START).write_text(json.dumps(about))


def _write_adapter(model: Any, name: str, folder: Path) -> None:
    # peft's own writer looks for rows of tokens in each adapter once one adapter has them.
    tensors = {
        parameter.replace(f".{name}.", "."): values.detach().cpu().contiguous()
        for parameter, values in model.named_parameters()
        if "lora_" in parameter and f".{name}." in parameter
    }
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    model.peft_config[name].save_pretrained(folder)


def _read_adapter(model: Any, name: str, folder: Path) -> None:
    # As for the writer: peft's own reader looks for rows of tokens that this adapter has not.
    from peft import PeftConfig

    model.add_adapter(name, PeftConfig.from_pretrained(str(folder)))
    stored = load_file(folder / "adapter_model.safetensors")
    with torch.no_grad():
        for parameter, values in model.named_parameters():
            if "lora_" in parameter and f".{name}." in parameter:
                values.copy_(stored[parameter.replace(f".{name}.", ".")])


def read_model(folder: Path, config: BackboneConfig, *, quantized: bool = True) -> tuple[Any, Any]:
    """The model that ``write_model`` wrote, and the text tokenizer beside it.

    Args:
        quantized: hold the weights as the options say; else in whole numbers of the same values.

    Raises:
        ArtefactError: the LLM under the adapter has changed.
        ConfigError: the LLM under the adapter cannot be found.
    """
    text_tokenizer = AutoTokenizer.from_pretrained(folder / TOKENIZER)
    if not (folder / ADAPTER).is_dir():
        auto = model_class(folder / MODEL)
        return (
            auto.from_pretrained(folder / MODEL, dtype=torch.float32, use_safetensors=True),
            text_tokenizer,
        )
    from peft import PeftModel

    _check_start(folder, config)
    _, names, about = described(folder)
    tokens = [*names, *about["extra_tokens"]]
    model, _ = starting_model(config, tokens)
    if not quantized and config.quantized != "none":
        model = model.dequantize()
    with _quiet_about_ties():
        model = PeftModel.from_pretrained(model, str(folder / ADAPTER), is_trainable=True)
    for name in map(adapter_name, about["domains"]):
        _read_adapter(model, name, folder / ADAPTER / name)
    if about["domains"]:
        train_all(model, about["domains"])
    return _with_stored_rows(model, folder), text_tokenizer


@contextmanager
def _quiet_about_ties() -> Iterator[None]:
    """Silence about ties: peft ties trained rows to the head's, and says that it cannot."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        yield


def _with_stored_rows(model: Any, folder: Path) -> Any:
    """What trained whole keeps its float32; peft reads it in the base's numbers."""
    stored = load_file(folder / ADAPTER / "adapter_model.safetensors")
    own = dict(model.named_parameters(remove_duplicate=False))
    for name, values in stored.items():
        module, _, last = name.rpartition("multi_modal_projector.")
        if module:
            name = f"{module}multi_modal_projector.modules_to_save.{SHARED}.{last}"
        elif name.endswith("trainable_tokens_delta"):
            name = f"{name}.{SHARED}"
        else:
            continue
        own[name].data = values.to(own[name].device, torch.float32)
    return model


def _check_start(folder: Path, config: BackboneConfig) -> None:
    if config.start_from:
        about = json.loads((folder / START).read_text())
        if about["recommender"] != seal_of(earlier(config.start_from)):
            raise ArtefactError(
                f"The adapter in {folder} was trained on the LLM of {config.start_from}, which has "
                "changed since. Put that run back, or train again."
            )


def merged(model: Any, scales: dict[str, float] | None = None) -> Any:
    """A plain copy of the model with its adapters merged in.

    Args:
        scales: how much of each adapter of a mixture; if left out, what all domains share.
    """
    if not hasattr(model, "peft_config"):
        return model
    model = copy.deepcopy(model)
    if scales is None:
        return model.merge_and_unload()
    with torch.no_grad():
        for module in model.modules():
            domains = [name for name in getattr(module, "lora_B", {}) if name != SHARED]
            for name in domains:
                module.lora_B[name].weight.mul_(scales[name])
            if domains:
                # Layer by layer: peft's own way would look for rows of tokens in each adapter.
                module.merge(adapter_names=domains)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Already following adapters were merged")
        return model.merge_and_unload(adapter_names=[SHARED])


def whole(model: Any, config: BackboneConfig, write: Callable[[Path], None]) -> Any:
    """The model itself, or, if it is held in few bits, one of whole numbers with the same values.

    Args:
        write: writes what ``read_model`` reads.
    """
    if config.quantized == "none":
        return model
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return read_model(Path(folder), config, quantized=False)[0]
