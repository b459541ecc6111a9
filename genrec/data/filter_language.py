"""The language of filters: which attributes an item must have, as JSON that is checked whole.

::

    {"category": "bakery", "price": {"min": 2, "max": 10}, "in_stock": true}
    {"brand": ["Alpine", "Nordic"], "not": {"tags": "alcohol"}, "at_most": {"brand": 2}}
    {"any": [{"price": {"below": 5}}, {"on_sale": true}], "deny": ["p17"], "seen": false}

Every condition of one object must hold. Knows no catalogue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from genrec.errors import InputError, nearest

Value = StrictBool | StrictInt | StrictFloat | StrictStr
DEEPEST = 8
# So many conditions are few; so many problems are too many to tell one by one, and so many
# values of each list are looked at then.
_FEW, _MANY, _FIRST = 8, 500, 20
# So many values, or letters, are short.
SHORT = 64
_EXAMPLES = {"at_most": '{"brand": 2}', "attributes": '{"any": 3}'}
WORDS = {"all", "any", "not", "allow", "deny", "seen", "at_most", "attributes"}


class Condition(BaseModel):
    """What one attribute must be; all given parts must hold.

    An item whose attribute is unknown satisfies only ``not`` and ``known: false``. An attribute
    that holds a list satisfies ``is`` and ``in`` when one of its values does.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)

    is_: Value | None = Field(None, alias="is", description="Equal to this value.")
    in_: list[Value] | None = Field(None, alias="in", description="Equal to one of these.")
    not_: Value | list[Value] | None = Field(None, alias="not", description="None of these.")
    contains: StrictStr | None = Field(None, description="Has these letters in it, in any case.")
    min: Value | None = Field(None, description="At least; a number or an ISO date.")
    max: Value | None = Field(None, description="At most.")
    above: Value | None = Field(None, description="More than.")
    below: Value | None = Field(None, description="Less than.")
    known: StrictBool | None = Field(None, description="Whether there is a value at all.")

    @property
    def values(self) -> list[Value]:
        """Every value that is wanted or unwanted."""
        one = [] if self.is_ is None else [self.is_]
        return [*one, *(self.in_ or ()), *self.unwanted]

    @property
    def unwanted(self) -> list[Value]:
        """The values of ``not``."""
        if self.not_ is None:
            return []
        return self.not_ if isinstance(self.not_, list) else [self.not_]


class ItemFilter(BaseModel):
    """Which items are allowed. Further keys are attributes of the catalogue (and ``price``).

    An attribute's value is a ``Condition``, one value (equal to) or a list (one of these). An
    attribute that is called like a word of the language goes into ``attributes``.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, frozen=True)
    __pydantic_extra__: dict[str, Condition | Value | list[Value]]

    all_: list[ItemFilter] | None = Field(None, alias="all", description="Every one must hold.")
    any_: list[ItemFilter] | None = Field(None, alias="any", description="One must hold.")
    not_: ItemFilter | None = Field(None, alias="not", description="Must not hold.")
    allow: list[StrictStr] | None = Field(None, description="Only these item ids.")
    deny: list[StrictStr] | None = Field(None, description="None of these item ids.")
    seen: StrictBool | None = Field(
        None, description="false: no items of the history. Top level only."
    )
    at_most: dict[str, int] | None = Field(
        None, description="Attribute to the most items of one value in a list. Top level only."
    )
    attributes: dict[str, Condition | Value | list[Value]] = Field(
        default_factory=dict, description="Attributes by name, for names that are words here."
    )

    @staticmethod
    def parse(where: ItemFilter | Mapping[str, Any] | None) -> ItemFilter:
        """A filter from JSON values; ``None`` allows everything.

        Raises:
            InputError: lists every place that is wrong.
        """
        if isinstance(where, ItemFilter):
            return where
        if (depth := _depth(where)) > 3 * DEEPEST:
            raise InputError(f"The filter is nested {depth} deep; {3 * DEEPEST} is the limit.")
        try:
            return ItemFilter.model_validate({} if where is None else where)
        except ValidationError as error:
            if (count := error.error_count()) > _MANY:
                raise InputError(f"The filter has {count:,} problems.", _first(where)) from None
            problems = _in_words(error)
            raise InputError(f"The filter has {len(problems)} problem(s).", problems) from error

    @property
    def conditions(self) -> dict[str, Condition]:
        """Each attribute's condition in its full form."""
        given = {**self.attributes, **(self.__pydantic_extra__ or {})}
        return {name: _condition(value) for name, value in given.items()}

    @property
    def key(self) -> str:
        """A hash of the content: equal filters, equal key.

        Raises:
            InputError: a text of it is not Unicode.
        """
        try:
            text = self.model_dump_json(exclude_none=True, by_alias=True)
        except ValueError as error:
            raise InputError(
                f"A text of the filter is not Unicode ({error}). Read it again with its right "
                "encoding, or with errors='replace'."
            ) from None
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def is_plain(self) -> bool:
        """Whether it is a few conditions that must all hold, and no more."""
        if any((self.all_, self.any_, self.not_, self.allow, self.deny, self.at_most)):
            return False
        given = [*self.attributes.values(), *(self.__pydantic_extra__ or {}).values()]
        return len(given) <= _FEW and all(map(_is_short, given))


def _condition(value: Any) -> Condition:
    if isinstance(value, Condition):
        return value
    return Condition.model_validate({"in" if isinstance(value, list) else "is": value})


def _is_short(value: Condition | Value | list[Value]) -> bool:
    """Whether values and bounds are few, and none as long as a page."""
    if isinstance(value, Condition):
        fields = (value.is_, value.in_, value.not_, value.min, value.max, value.above, value.below)
        return all(_is_short(part) for part in fields if part is not None)
    if isinstance(value, list):
        return len(value) <= SHORT and all(map(_is_short, value))
    return not isinstance(value, str) or len(value) <= SHORT


def _first(where: Any) -> list[str]:
    """What is wrong among the first values of each list and object."""

    def cut(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: cut(value[name]) for name in list(value)[:_FIRST]}
        return [cut(one) for one in value[:_FIRST]] if isinstance(value, list | tuple) else value

    try:
        ItemFilter.model_validate(cut(where))
    except ValidationError as error:
        if error.error_count() <= _MANY:
            return _in_words(error)
    return []


def _in_words(error: ValidationError) -> list[str]:
    """What is wrong, each place once, with the nearest word for an unknown one."""
    found = error.errors(include_url=False)
    # An object was meant as a condition; that it is no list and no number says nothing.
    inside = [p["loc"] for p in found if "Condition" in p["loc"]]
    conditions = {_place(loc[: loc.index("Condition")]) for loc in inside}
    # A list is wrong where one of its values is.
    values = [_place(p["loc"]) for p in found if any(isinstance(one, int) for one in p["loc"])]
    lists = {place.rpartition(".")[0] for place in values}
    problems: dict[str, str] = {}
    for p in found:
        place = _place(p["loc"])
        if isinstance(p.get("input"), dict) and place in conditions:
            continue
        if isinstance(p.get("input"), list) and place in lists:
            continue
        text = p["msg"]
        if p["type"] == "extra_forbidden":
            word = str(p["loc"][-1])
            words = [field.alias or name for name, field in Condition.model_fields.items()]
            text = f"no word '{word}'; {nearest(word, words)}"
        elif p["loc"] and p["loc"][-1] in ("bool", "int", "float", "str"):
            text = "give a word, a number, true or false"
        elif p["input"] is None and p.get("ctx", {}).get("class_name") == "Condition":
            text = 'null is no value; items without one are found by {"known": false}'
        elif p["type"] in ("model_type", "dict_type"):
            example = _EXAMPLES.get(place, '{"price": {"max": 10}}')
            text = f"give an object, such as {example}"
        problems.setdefault(place, f"{place or 'filter'}: {text}")
    return list(problems.values())


def _place(location: tuple[int | str, ...]) -> str:
    # pydantic names the kinds of value that it tried ("bool", "list[...]"); a reader needs none.
    kinds = {"bool", "int", "float", "str", "Condition"}
    return ".".join(str(p) for p in location if p not in kinds and "[" not in str(p))


def _depth(value: Any) -> int:
    deepest, stack = 0, [(value, 1)]
    while stack:
        here, depth = stack.pop()
        if isinstance(here, Mapping):
            here = list(here.values())
        if isinstance(here, list | tuple):
            deepest = max(deepest, depth)
            stack += [(inner, depth + 1) for inner in here]
    return deepest
