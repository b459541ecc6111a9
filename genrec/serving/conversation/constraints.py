"""Hard constraints of a session: a filter in JSON that turns change, and how it is read aloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from genrec.serving.conversation.reading import Reading

_ORDER = ("min", "above", "max", "below")


def with_reading(where: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """The constraints after a turn: what it sets takes the place of what was set before."""
    found = {name: dict(_condition(value)) for name, value in where.items()}
    for name in reading.relax:
        if name == "*":
            found = {}
        found.pop(name, None)
    for name, value in reading.where.items():
        unwanted = found.get(name, {}).get("not")
        found[name] = dict(_condition(value))
        wanted = set(_values(found[name]))
        if kept := [one for one in unwanted or [] if one not in wanted]:
            found[name]["not"] = kept
    for name, values in reading.without.items():
        condition = found.setdefault(name, {})
        before = condition.get("not", [])
        condition["not"] = [*before, *(value for value in values if value not in before)]
        _drop_wanted(condition, values)
    return {name: condition for name, condition in found.items() if condition}


def with_price(where: Mapping[str, Any], bounds: Mapping[str, float]) -> dict[str, Any]:
    """The constraints with a price between other bounds; an old bound that crosses them goes."""
    found = {name: dict(_condition(value)) for name, value in where.items()}
    kept = {word: bound for word, bound in found.get("price", {}).items() if word in _ORDER}
    if {"max", "below"} & set(bounds):
        highest = next(bounds[word] for word in ("max", "below") if word in bounds)
        kept = {w: b for w, b in kept.items() if w in ("min", "above") and b < highest}
    else:
        lowest = next(bounds[word] for word in ("min", "above") if word in bounds)
        kept = {w: b for w, b in kept.items() if w in ("max", "below") and b > lowest}
    found["price"] = {**kept, **bounds}
    return found


def without(where: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The constraints but for one attribute's."""
    return {one: value for one, value in where.items() if one != name}


def chips(where: Mapping[str, Any], money: Any) -> tuple[str, ...]:
    """Each attribute's constraint in words.

    Args:
        money: writes a price.
    """
    return tuple(chip(name, value, money) for name, value in where.items())


def chip(name: str, value: Any, money: Any) -> str:
    """One attribute's constraint in words, such as ``under $20`` or ``not leather``."""
    return ", ".join(_said(name, _condition(value), money))


def _said(name: str, condition: Mapping[str, Any], money: Any) -> Iterator[str]:
    label = name.replace("_", " ")
    amount = money if name == "price" else _plain
    bounds = {word: condition[word] for word in _ORDER if word in condition}
    lower = next((bounds[word] for word in ("min", "above") if word in bounds), None)
    upper = next((bounds[word] for word in ("max", "below") if word in bounds), None)
    prefix = "" if name == "price" else f"{label} "
    if lower is not None and upper is not None:
        yield f"{prefix}{amount(lower)} to {amount(upper)}"
    elif upper is not None:
        yield f"{prefix}{'under' if 'below' in bounds else 'up to'} {amount(upper)}"
    elif lower is not None:
        yield f"{prefix}{'over' if 'above' in bounds else 'from'} {amount(lower)}"
    values = _values(condition)
    if values and isinstance(values[0], bool):
        yield label if values[0] else f"not {label}"
    elif values:
        yield " or ".join(_plain(one) for one in _short(values))
    unwanted = condition.get("not")
    if unwanted is not None:
        listed = unwanted if isinstance(unwanted, list) else [unwanted]
        yield " and ".join(
            f"not {label}" if isinstance(one, bool) else f"not {_plain(one)}"
            for one in _short(listed)
        )


def _short(values: list[Any], most: int = 4) -> list[Any]:
    shortest = min((str(one) for one in values), key=len, default="")
    if all(shortest in str(one).split() or shortest == one for one in values):
        # "linen" stands for linen, and linen and oak.
        return [shortest]
    more = len(values) - most
    return values if more <= 0 else [*values[:most], f"{more} more"]


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _condition(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    return {"in": list(value)} if isinstance(value, list | tuple) else {"is": value}


def _values(condition: Mapping[str, Any]) -> list[Any]:
    found = list(condition.get("in", ()))
    return [condition["is"], *found] if "is" in condition else found


def _drop_wanted(condition: dict[str, Any], unwanted: list[Any]) -> None:
    if condition.get("is") in unwanted:
        del condition["is"]
    if "in" in condition:
        condition["in"] = [one for one in condition["in"] if one not in unwanted]
        if not condition["in"]:
            del condition["in"]
