"""Options of a recipe that do nothing beside its other choices, and which choice it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from genrec.llm.options import WITH_LORA
from genrec.llm.presets import SCRATCH
from genrec.recipe import Recipe

_OF_IDS = tuple(
    f"semantic_ids.{name}"
    for name in (
        "quantizer", "levels", "codebook_size", "collisions", "seed", "rotation", "rqvae",
        "collaborative",
    )
)  # fmt: skip
_OF_RQVAE = "semantic_ids.rqvae"
_OF_PAIRS = "semantic_ids.collaborative"


@dataclass(frozen=True)
class _Rule:
    """Some options, and why they are idle.

    Attributes:
        because: the reason, in a few words; empty where they have an effect.
        choices: the options that decide it. A search over one of them says nothing of the rest.
    """

    options: tuple[str, ...]
    choices: tuple[str, ...]
    because: Callable[[Recipe], str]


def idle_options(recipe: Recipe) -> list[str]:
    """What a recipe sets, or has ``tune`` search, and what has no effect all the same.

    An option that stands at its default is not told. Recipes of ``pretrain`` and ``finetune`` are
    judged by none of these rules.

    Returns:
        A line for each, such as ``llm.lora_rank: 8 (llm.adapt is full, which has no LoRA)``.
    """
    if recipe.pretrain is not None or recipe.finetune is not None:
        return []
    told = []
    searched = recipe.tune or {}
    for rule in _RULES:
        because = rule.because(recipe)
        if not because or any(choice in searched for choice in rule.choices):
            continue
        told += [
            f"{path}: {_shown(recipe.option(path))} ({because})" for path in _set(rule, recipe)
        ]
        told += [
            f"tune.{path} ({because})"
            for path in searched
            if any(path == option or path.startswith(f"{option}.") for option in rule.options)
        ]
    # The first reason is enough.
    return list({line.partition(" (")[0]: line for line in reversed(told)}.values())[::-1]


def _set(rule: _Rule, recipe: Recipe) -> Iterator[str]:
    """The options that are there and do not stand at their defaults."""
    for path in rule.options:
        section, _, name = path.rpartition(".")
        try:
            options = recipe.option(section)
        except AttributeError:  # in a section that the recipe does not have
            continue
        if options is not None and getattr(options, name) != _default(type(options), name):
            yield path


def _default(kind: type[Any], name: str) -> Any:
    return getattr(kind(), name)


def _shown(value: Any) -> str:
    if not is_dataclass(value):
        return str(value).lower() if isinstance(value, bool) else str(value)
    changed = [
        f"{option.name}: {getattr(value, option.name)}"
        for option in fields(value)
        if getattr(value, option.name) != _default(type(value), option.name)
    ]
    return f"{{{', '.join(changed)}}}"


def _without_lora(recipe: Recipe) -> str:
    adapt = recipe.llm.adapt
    return "" if adapt in WITH_LORA else f"llm.adapt is {adapt}, which has no LoRA"


def _unless_adapted(adapt: str) -> Callable[[Recipe], str]:
    return lambda recipe: (
        "" if recipe.llm.adapt == adapt else f"llm.adapt is {recipe.llm.adapt}, not {adapt}"
    )


def _of_weights(recipe: Recipe) -> str:
    if recipe.llm.start_from:
        return "llm.start_from has weights and dropout of its own"
    return "" if recipe.llm.name in SCRATCH else f"{recipe.llm.name} is not made from scratch"


def _without_items(recipe: Recipe) -> str:
    if recipe.hybrid is None:
        return "without the section hybrid no whole items are learned"
    return "" if recipe.hybrid.table else "hybrid.table is null, so no whole items are learned"


def _in_one_pass(recipe: Recipe) -> str:
    return "one_pass has a loss of its own" if recipe.one_pass else ""


def _next_item_alone(recipe: Recipe) -> str:
    return "" if recipe.tasks.beside else "tasks has nothing beside next_item"


def _unless_strategy(strategy: str) -> Callable[[Recipe], str]:
    return lambda recipe: (
        ""
        if recipe.decode.strategy == strategy
        else f"decode.strategy is {recipe.decode.strategy}, not {strategy}"
    )


def _scored_whole(recipe: Recipe) -> str:
    # Learning from preference, and titles that are asked for, search with beams all the same.
    beams = not recipe.decode.exact or recipe.preference or recipe.tasks.beside
    return "" if beams else "decode.exact scores every item"


def _weighed(recipe: Recipe) -> str:
    tuned = recipe.hybrid is not None and recipe.hybrid.tune
    return "hybrid.tune chooses it on validation cases" if tuned else ""


def _weighed_by_hand(recipe: Recipe) -> str:
    by_hand = recipe.hybrid is not None and not recipe.hybrid.tune
    return "hybrid.tune is false, and it is chosen there" if by_hand else ""


def _never_validated(recipe: Recipe) -> str:
    return "" if recipe.train.validate_every else "train.validate_every is 0"


def _nothing_to_validate(recipe: Recipe) -> str:
    looked_at = recipe.train.validate_every or recipe.preference or recipe.tune
    weighed = recipe.hybrid is not None and recipe.hybrid.tune
    return "" if looked_at or weighed else "nothing is chosen on validation cases"


def _earlier_codebooks(recipe: Recipe) -> str:
    if recipe.semantic_ids.codebooks_from:
        return "semantic_ids.codebooks_from brings the options of its run"
    return "llm.start_from brings the semantic IDs of its run" if recipe.llm.start_from else ""


def _unless_quantized(quantizer: str) -> Callable[[Recipe], str]:
    return lambda recipe: (
        ""
        if recipe.semantic_ids.quantizer == quantizer
        else f"semantic_ids.quantizer is {recipe.semantic_ids.quantizer}, not {quantizer}"
    )


def _not_counted(recipe: Recipe) -> str:
    pairs = recipe.semantic_ids.collaborative
    return "" if pairs is None or pairs.signal == "pmi" else f"its signal is {pairs.signal}"


_RULES = (
    _Rule(
        tuple(f"llm.lora_{name}" for name in ("rank", "alpha", "dropout", "targets", "rows")),
        ("llm.adapt",),
        _without_lora,
    ),
    _Rule(("llm.gate",), ("llm.adapt",), _unless_adapted("mixture")),
    _Rule(("prompt.soft_tokens", "prompt.soft_text"), ("llm.adapt",), _unless_adapted("prompt")),
    _Rule(("llm.attention_dropout", "llm.hidden_dropout"), ("llm.name",), _of_weights),
    _Rule(
        (
            "packing.generate_weight",
            "packing.text_weight",
            "packing.spelled",
            "packing.dense_weight",
            "packing.negatives",
        ),
        (),
        _in_one_pass,
    ),
    _Rule(
        ("packing.spelled", "packing.dense_weight", "packing.negatives"),
        ("hybrid.table",),
        _without_items,
    ),
    _Rule(
        ("packing.picture_dropout",),
        ("llm.pictures",),
        lambda recipe: "" if recipe.llm.pictures else "llm.pictures is 0",
    ),
    _Rule(
        ("packing.feature_dropout",),
        ("prompt.features",),
        lambda recipe: "" if recipe.prompt.features else "prompt.features is empty",
    ),
    _Rule(
        ("packing.text_weight", "tasks.task_history", "tasks.task_words"),
        tuple(f"tasks.{name}" for name in Recipe.model_fields["tasks"].default.weights),
        _next_item_alone,
    ),
    _Rule(("decode.diversity",), ("decode.strategy",), _unless_strategy("diverse")),
    _Rule(("decode.temperature", "decode.seed"), ("decode.strategy",), _unless_strategy("sample")),
    _Rule(("decode.beams", "decode.strategy"), ("decode.exact",), _scored_whole),
    _Rule(("hybrid.generate", "hybrid.follow", "hybrid.habit"), ("hybrid.tune",), _weighed),
    _Rule(("hybrid.new_item_cost",), ("hybrid.tune",), _weighed_by_hand),
    _Rule(
        ("hybrid.decay",),
        ("hybrid.transitions",),
        lambda recipe: (
            "" if recipe.hybrid is None or recipe.hybrid.transitions else "no transitions take part"
        ),
    ),
    _Rule(("train.patience",), ("train.validate_every",), _never_validated),
    _Rule(("evaluate.validation_users",), (), _nothing_to_validate),
    _Rule(_OF_IDS, (), _earlier_codebooks),
    _Rule((_OF_RQVAE,), ("semantic_ids.quantizer",), _unless_quantized("rq-vae")),
    _Rule(("semantic_ids.rotation",), ("semantic_ids.quantizer",), _unless_quantized("opq")),
    _Rule((f"{_OF_PAIRS}.window",), (f"{_OF_PAIRS}.signal",), _not_counted),
)
