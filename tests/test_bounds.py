"""What lies outside of its bounds is told in words, and every number of a recipe has bounds."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from math import inf, nan
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError
from genrec.recipe import Recipe

# West of Greenwich, and counted from the last layer.
BELOW_ZERO = {"profiles.hours_from_utc", "pretrain.projector.layer"}
# A threshold that nothing reaches never warns.
INFINITE = {"preference.alarm"} | {
    f"update.drift.{name}"
    for name in ("new_items", "new_users", "popularity", "codes", "far", "moved", "head")
}


@pytest.mark.parametrize(
    ("interval", "inside", "told"),
    [
        ("[1, inf)", [1, 1e300, 10**400], {0: "must be at least 1", 0.99: "must be at least 1"}),
        ("(0, inf)", [1e-300], {0: "must be above 0", inf: "must be above 0 and finite"}),
        ("(0, inf]", [inf], {nan: "must be above 0 and finite", -inf: "must be above 0"}),
        ("[0, 1]", [0, 1], {1.01: "lies from 0 to 1", nan: "lies from 0 to 1"}),
        ("[0, 1)", [0, 0.99], {1: "lies from 0 to below 1", -1: "lies from 0 to below 1"}),
        ("(0.5, 1)", [0.51], {0.5: "lies between 0.5 and 1"}),
        ("(0, 1]", [1], {0: "lies above 0 and is at most 1"}),
        ("[-24, 24]", [-24], {-24.5: "lies from -24 to 24"}),
        (SEED, [0, 2**63 - 1], {2**63: f"lies from 0 to {2**63 - 1}"}),
    ],
)
def test_an_interval_takes_what_is_inside_and_tells_the_rest(interval, inside, told):
    for value in inside:
        assert outside(SimpleNamespace(rate=value), rate=interval) == []
    for value, words in told.items():
        said = outside(SimpleNamespace(rate=value), "fit.", rate=interval)
        assert said == [f"fit.rate is {value}; it {words}"]


def test_all_is_told_in_the_order_of_the_bounds_and_what_is_not_given_is_none():
    options = SimpleNamespace(steps=0, share=2.0, guidance=None)
    said = outside(options, share="[0, 1]", guidance="[0, inf)", steps="[1, inf)")
    assert [line.split(" is ")[0] for line in said] == ["share", "steps"]


def numbers() -> Iterator[tuple[str, type]]:
    """Paths of all options of a recipe that are numbers."""
    for section, declared in Recipe.model_fields.items():
        yield from below(section, declared.annotation)


def below(path: str, kind: Any) -> Iterator[tuple[str, type]]:
    if kind in (int, float):
        yield path, kind
    for part in filter(is_dataclass, (kind, *get_args(kind))):
        hints = get_type_hints(part)
        for option in fields(part):
            yield from below(f"{path}.{option.name}", hints[option.name])


# What these sections cannot be without.
GIVEN = {
    "encode.image": ["model=x"],
    "encode.audio": ["model=x"],
    "encode.video": ["model=x"],
    "pretrain.projector": ["tower=x"],
    "finetune.image_lora": ["instance_prompt=x"],
}


def refused(path: str, value: str) -> bool:
    section, _, name = path.rpartition(".")
    given = [f"{section}.{one}" for one in GIVEN.get(section, [])]
    try:
        Recipe.load("quickstart", [*given, f"{path}={value}"])
    except ConfigError as error:
        return f"{name} is " in str(error) or f"{name} {value}" in str(error)
    return False


def test_every_number_of_a_recipe_has_bounds():
    found = dict(numbers())
    assert len(found) > 150
    assert found.keys() >= BELOW_ZERO | INFINITE
    below_zero = {path for path in found if not refused(path, "-1")}
    assert below_zero == BELOW_ZERO
    real = [path for path, kind in found.items() if kind is float]
    assert {path for path in real if not refused(path, ".nan")} == set()
    assert {path for path in real if not refused(path, ".inf")} == INFINITE


def test_options_that_torch_or_numpy_would_refuse_after_minutes_are_refused_at_once_and_together():
    wrong = {
        "train.seed": "-1",
        "train.warmup_steps": "-1",
        "train.weight_decay": "-0.1",
        "llm.hidden_dropout": "1.5",
        "llm.lora_dropout": "-0.1",
        "data.core": "-1",
        "semantic_ids.seed": str(2**63),
        "decode.temperature": ".nan",
    }
    with pytest.raises(ConfigError) as caught:
        Recipe.load("quickstart", [f"{path}={value}" for path, value in wrong.items()])
    said = str(caught.value)
    for path in wrong:
        section, name = path.split(".")
        assert any(section in line and name in line for line in said.splitlines()), path
