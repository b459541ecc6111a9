"""Filters of a catalogue: what ``ItemFilter`` says, compiled to one bit per item.

Knows catalogues; knows nothing of users or models.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.filter_columns import Column, columns_of, read_column
from genrec.data.filter_language import DEEPEST, WORDS, Condition, ItemFilter
from genrec.errors import InputError, closest

# A filter over so few items, with so few values times items, is compiled within milliseconds.
_FEW_ITEMS, _FEW_PLACES = 50_000, 500_000
# So many unknown names and values are compared with so many known ones.
_HINTS, _COMPARED = 10, 2000
_EMPTY = "is an empty list, which allows nothing"
# So many reasons for an empty answer, and so many letters of a condition in each.
_DOUBTS, _SHOWN = 20, 120


@dataclass(frozen=True)
class Limit:
    """At most so many items of one value.

    Attributes:
        groups: number of each item's value, shape (items,), int32; -1 where it is unknown, and
            such items are not limited.
    """

    attribute: str
    most: int
    groups: np.ndarray


@dataclass(frozen=True)
class CompiledFilter:
    """A filter over one catalogue.

    Attributes:
        allowed: bool, shape (items,), read-only; ``None`` when all are.
        key: equal for equal filters.
        seen: whether items of the history may come back.
        limits: rules about a list as a whole.
        doubts: values that no item has and conditions that none satisfies, in words, for the
            message of an empty result.
        catalog: whose items these are.
    """

    allowed: np.ndarray | None
    key: str
    catalog: Catalog = field(repr=False, compare=False)
    seen: bool = True
    limits: tuple[Limit, ...] = ()
    doubts: tuple[str, ...] = ()


Where: TypeAlias = ItemFilter | Mapping[str, Any] | CompiledFilter | None


class FilterCompiler:
    """Compiles filters over one catalogue and keeps the latest. Safe to share between threads.

    Args:
        keep: how many compiled filters; each takes a byte per item.
    """

    def __init__(self, catalog: Catalog, *, keep: int = 64) -> None:
        self.catalog, self.keep = catalog, keep
        self._columns: dict[str, Column] = {}
        self._kept: OrderedDict[str, CompiledFilter] = OrderedDict()
        self._lock = threading.Lock()

    def compile(self, where: Where) -> CompiledFilter:
        """The filter over the catalogue; one that was compiled for it before comes back as it is.

        Raises:
            InputError: lists every unknown attribute or item, and every value of the wrong kind;
                or the filter was compiled for another catalogue.
        """
        if isinstance(where, CompiledFilter):
            if where.catalog is not self.catalog:
                raise InputError(
                    f"The filter was compiled for a catalogue of {len(where.catalog):,} items, and "
                    "this is another one. Give the filter itself, or compile it here."
                )
            return where
        try:
            parsed = ItemFilter.parse(where)
        except InputError as error:
            raise self.refusal(where, error) from error
        key = parsed.key
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        compiled = _Compilation(self, parsed).run(key)
        with self._lock:
            self._kept[key] = compiled
            while len(self._kept) > self.keep:
                self._kept.popitem(last=False)
        return compiled

    def at_once(self, where: ItemFilter | None) -> bool:
        """Whether this filter is compiled sooner than another thread would take it.

        So are few conditions over few items whose attributes have been read, and which have the
        values that are named.
        """
        if where is None:
            return True
        if len(self.catalog) > _FEW_ITEMS or not where.is_plain:
            return False
        conditions = where.conditions
        values = sum(len(condition.values) for condition in conditions.values())
        if values * len(self.catalog) > _FEW_PLACES:
            return False
        return all(self._is_ready(*one) for one in conditions.items())

    def _is_ready(self, name: str, condition: Condition) -> bool:
        column = self._columns.get(name)
        if column is None or not column.is_indexed or condition.contains is not None:
            return False
        return all(column.accepts(value) and column.has(value) for value in condition.values)

    def column(self, name: str) -> Column | None:
        """An attribute as arrays; ``None`` if the catalogue has none of that name."""
        if name not in self._columns:
            if name not in self.names:
                return None
            self._columns[name] = read_column(self.catalog.table[name])
        return self._columns[name]

    def refusal(self, where: Any, error: InputError) -> InputError:
        """What is wrong with a filter whose form was refused: that, and unknown names in it."""
        if not error.problems:
            return error
        known = {*self.names}
        report = _Compilation(self, ItemFilter.parse(None))
        unknown = [
            report.unknown_name(name, place)
            for name, place in _names_in(where, "")
            if name not in known
        ]
        problems = [*error.problems, *unknown]
        return InputError(f"The filter has {len(problems)} problem(s).", problems)

    @property
    def names(self) -> list[str]:
        """Attributes that a filter may name."""
        return columns_of(self.catalog)


class _Compilation:
    """One filter being compiled: gathers every problem before it gives up."""

    def __init__(self, compiler: FilterCompiler, parsed: ItemFilter) -> None:
        self.compiler, self.parsed = compiler, parsed
        self.problems: list[str] = []
        self.doubts: list[str] = []
        self._hints = _HINTS

    def unknown_name(self, name: str, place: str) -> str:
        """What is wrong with an attribute that the catalogue lacks."""
        names = self.compiler.names
        hint = self._hint(name, names)
        return (
            f"{place}: the catalogue has no attribute '{name}'; {hint}"
            f"There are: {', '.join(names) or 'none'}."
        )

    def _hint(self, name: str, known: Sequence[str]) -> str:
        """A question after the name that may be meant; after some, there are no more."""
        self._hints -= 1
        close = closest(name, known[:_COMPARED]) if self._hints >= 0 else None
        return f"did you mean '{close}'? " if close else ""

    def run(self, key: str) -> CompiledFilter:
        parsed = self.parsed
        allowed = self._mask(parsed, "", 0)
        limits = tuple(self._limits(parsed))
        if self.problems:
            raise InputError(f"The filter has {len(self.problems)} problem(s).", self.problems)
        if allowed is not None:
            allowed.setflags(write=False)
        return CompiledFilter(
            allowed,
            key,
            self.compiler.catalog,
            seen=parsed.seen is not False,
            limits=limits,
            doubts=tuple(self.doubts),
        )

    def _mask(self, part: ItemFilter, place: str, depth: int) -> np.ndarray | None:
        if depth > DEEPEST:
            self.problems.append(f"{place}: nested deeper than {DEEPEST}")
            return None
        if depth and (part.seen is not None or part.at_most is not None):
            self.problems.append(f"{place}: 'seen' and 'at_most' belong to the top level")
        masks: list[np.ndarray] = []
        noted = len(self.doubts)
        for name, condition in part.conditions.items():
            masks += self._whole_condition(name, condition, f"{place}{name}")
        for number, inner in enumerate(part.all_ or ()):
            mask = self._mask(inner, f"{place}all.{number}.", depth + 1)
            masks += [] if mask is None else [mask]
        if part.any_ is not None:
            masks += self._any(part.any_, f"{place}any", depth)
        if part.not_ is not None:
            masks.append(self._not(part.not_, f"{place}not", depth))
        if part.allow is not None:
            masks.append(self._named(part.allow, f"{place}allow", value=True))
        if part.deny:
            masks.append(self._named(part.deny, f"{place}deny", value=False))
        joined: np.ndarray | None = _joined(masks, np.logical_and, None)
        within = f"{place.removesuffix('.')}: " if place else ""
        together = f"{within}each condition allows some items, all together none"
        self._give_reason(noted, joined, together)
        return joined

    def _any(self, parts: Sequence[ItemFilter], place: str, depth: int) -> list[np.ndarray]:
        noted = len(self.doubts)
        held = [
            self._mask(inner, f"{place}.{number}.", depth + 1) for number, inner in enumerate(parts)
        ]
        joined = None
        if not any(mask is None for mask in held):
            joined = _joined(held, np.logical_or, self._constant(value=False))
        self._give_reason(noted, joined, f"{place} {_EMPTY}")
        return [] if joined is None else [joined]

    def _not(self, part: ItemFilter, place: str, depth: int) -> np.ndarray:
        noted = len(self.doubts)
        mask = self._mask(part, f"{place}.", depth + 1)
        # That nothing is like it is no reason for an empty answer.
        del self.doubts[noted:]
        turned = self._constant(value=False) if mask is None else ~mask
        self._give_reason(noted, turned, f"{place} shuts out every item")
        return turned

    def _whole_condition(self, name: str, condition: Condition, place: str) -> list[np.ndarray]:
        noted = len(self.doubts)
        masks = list(self._condition(name, condition, place))
        if masks:
            given = condition.model_dump_json(exclude_none=True, by_alias=True)[:_SHOWN]
            reason = f"no item satisfies {place} {given}"
            self._give_reason(noted, reduce(np.logical_and, masks), reason)
        return masks

    def _give_reason(self, noted: int, mask: np.ndarray | None, reason: str) -> None:
        """Sees that a part that allows nothing has a reason, and one that allows something none.

        Args:
            noted: how many doubts there were before the part.
            mask: what the part allows; ``None`` for all.
            reason: to give where its own parts gave none.
        """
        if mask is None or mask.any():
            del self.doubts[noted:]
        elif len(self.doubts) == noted:
            self._doubt(reason)

    def _doubt(self, text: str) -> None:
        if len(self.doubts) < _DOUBTS:
            self.doubts.append(text)

    def _constant(self, *, value: bool) -> np.ndarray:
        return np.full(len(self.compiler.catalog), value)

    def _named(self, item_ids: list[str], place: str, *, value: bool) -> np.ndarray:
        catalog = self.compiler.catalog
        unknown = [item_id for item_id in item_ids if not catalog.has(item_id)]
        # To deny what is no longer sold asks for nothing; to allow it is a mistake worth a word.
        unknown = unknown if value else []
        self.problems += [f"{place}: the catalogue has no item '{one}'" for one in unknown[:20]]
        if len(unknown) > 20:
            self.problems.append(f"{place}: and {len(unknown) - 20} more unknown items")
        mask = self._constant(value=not value)
        mask[catalog.positions([one for one in item_ids if catalog.has(one)])] = value
        reason = _EMPTY if value else "names every item"
        self._give_reason(len(self.doubts), mask, f"{place} {reason}")
        return mask

    def _condition(self, name: str, condition: Condition, place: str) -> Iterator[np.ndarray]:
        column = self._column(name, place)
        if column is None:
            return
        if condition.model_dump(exclude_none=True) == {}:
            self.problems.append(
                f"{place}: an empty condition; give is, in, not, min, max, above, below, contains "
                "or known"
            )
        if condition.is_ is not None:
            yield from self._values(column, [condition.is_], place)
        if condition.in_ is not None:
            yield from self._values(column, condition.in_, place)
        if condition.not_ is not None:
            yield from (~mask for mask in self._values(column, condition.unwanted, place))
        if condition.known is not None:
            yield column.known == condition.known
        if condition.contains is not None:
            mask = column.contains(condition.contains)
            if mask is None:
                self.problems.append(f"{place}.contains: {name} holds {column.kind}, not text")
            else:
                yield mask
        for word in ("min", "max", "above", "below"):
            bound = getattr(condition, word)
            if bound is None:
                continue
            try:
                yield column.bounded(word, bound)
            except ValueError as error:
                self.problems.append(f"{place}.{word}: {error}")

    def _values(self, column: Column, values: list[Any], place: str) -> Iterator[np.ndarray]:
        wrong = [value for value in values if not column.accepts(value)]
        self.problems += [
            f"{place}: {value!r} is not of the kind that it holds ({column.kind})"
            for value in wrong
        ]
        if wrong:
            return
        absent = [value for value in values if not column.has(value)]
        for value in absent[:5]:
            hint = self._hint(str(value), column.texts)
            self._doubt(f"no item has {place} {repr(value)[:_SHOWN]}; {hint}".rstrip("; "))
        yield column.among(values)

    def _limits(self, parsed: ItemFilter) -> Iterator[Limit]:
        for name, most in (parsed.at_most or {}).items():
            column = self._column(name, f"at_most.{name}")
            if column is None:
                continue
            if most < 1:
                self.problems.append(f"at_most.{name}: {most} is below 1")
            elif (groups := column.groups()) is None:
                self.problems.append(f"at_most.{name}: it holds {column.kind}, not single values")
            else:
                yield Limit(name, most, groups)

    def _column(self, name: str, place: str) -> Column | None:
        column = self.compiler.column(name)
        if column is None:
            self.problems.append(self.unknown_name(name, place))
        return column


def _names_in(part: Any, place: str) -> Iterator[tuple[str, str]]:
    """The attributes that a filter of whatever shape names, each with its place."""
    if not isinstance(part, Mapping):
        return
    for word, value in part.items():
        if word not in WORDS:
            yield str(word), f"{place}{word}"
        elif word == "not":
            yield from _names_in(value, f"{place}not.")
        elif word in ("all", "any") and isinstance(value, list | tuple):
            for number, inner in enumerate(value):
                yield from _names_in(inner, f"{place}{word}.{number}.")
        elif word in ("attributes", "at_most") and isinstance(value, Mapping):
            within = "at_most." if word == "at_most" else place
            yield from ((str(name), f"{within}{name}") for name in value)


def _joined(masks: list[Any], how: Any, empty: np.ndarray | None) -> Any:
    if not masks:
        return empty
    first, *others = masks
    if not others:
        return first.copy()
    joined = how(first, others[0])
    for mask in others[1:]:
        how(joined, mask, out=joined)
    return joined
