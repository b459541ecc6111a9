"""The phrases of one language and how it writes numbers and prices, read from ``phrases/*.yaml``.

Phrases are data: a slot takes a value as it is, and there is no other slot than those below.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from genrec.errors import ConfigError, nearest

_SHIPPED = Path(__file__).with_name("phrases")
TONES = ("plain", "warm", "brisk")
# rule -> the slots that its phrases may have
RULES: dict[str, frozenset[str]] = {
    "name": frozenset({"value"}),
    "name_price": frozenset({"value", "price"}),
    "price": frozenset({"value"}),
    "brand": frozenset({"value"}),
    "own_brand": frozenset(),
    "category": frozenset({"value"}),
    "label": frozenset({"label", "value"}),
    "often": frozenset({"value"}),
    "often_brand": frozenset({"value"}),
    "often_own_brand": frozenset(),
    "again": frozenset(),
    "bought": frozenset({"value"}),
}
_SLOT = re.compile(r"\{([^{}:]*)(:mid)?\}")
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CAD": "CA$", "AUD": "A$"}
_WHOLE = frozenset({"JPY", "KRW"})
# A word in ordinary capitals: one first letter, then small ones. "HP ink" and "iPad" are not.
_ORDINARY = re.compile(r"[^\W\d_][^\W\d_A-ZÀ-Þ]+(?![\w&'’])")
_NUMBER = re.compile(r"(?<![\w,.])\d+(?:[.\u00a0\u202f]\d{3})*(?:,\d+)?(?![\w,]*\d)")
_SUFFIXED = re.compile(r"(\d+(?:\.\d+)?)[ \u00a0\u202f]?(CA\$|A\$|[$£¥€])")


@dataclass(frozen=True)
class Phrase:
    """One rule's ways to say it.

    Attributes:
        weight: how much it matters where the profile says nothing.
        personal: whether it speaks of the shopper.
        variants: tone -> sentences, the tone's own first.
        own: tone -> how many of them are its own; a tone without any has the plain ones.
        short: for headlines, longest first.
    """

    rule: str
    weight: float
    personal: bool
    variants: Mapping[str, tuple[str, ...]]
    own: Mapping[str, int]
    short: tuple[str, ...]


@dataclass(frozen=True)
class Phrasebook:
    """One language.

    Attributes:
        keep_case: whether words keep their capitals within a sentence, as German nouns do.
        own_brand: values of a brand that mean the shop's own.
        silent: values that say nothing.
        hash: of the file.
    """

    language: str
    decimal: str
    group: str
    least_grouped: int
    money_pattern: str
    keep_case: bool
    own_brand: frozenset[str]
    silent: frozenset[str]
    labels: Mapping[str, str]
    phrases: Mapping[str, Phrase]
    actions: Mapping[str, tuple[str, ...]]
    hash: str = field(compare=False)

    @staticmethod
    def load(language: str | Path = "en") -> Phrasebook:
        """A shipped language by its code, or a file of your own.

        Raises:
            ConfigError: there is no such language, or the file does not fit; all problems at once.
        """
        path = Path(language)
        if path.suffix not in (".yaml", ".yml"):
            if str(language) not in languages():
                raise ConfigError(
                    f"There are no phrases in '{language}'; {nearest(str(language), languages())} "
                    "Free mode writes any language that the text model knows; for the others bring "
                    "a phrase file, such as phrases/en.yaml."
                )
            path = _SHIPPED / f"{language}.yaml"
        return _read(path)

    def number(self, value: float, *, digits: int | None = None) -> str:
        """A number as the language writes it.

        Args:
            digits: after the decimal sign; by default as many as it has.
        """
        plain = (
            f"{value:.{digits}f}" if digits is not None else f"{value:f}".rstrip("0").rstrip(".")
        )
        whole, _, rest = plain.lstrip("-").partition(".")
        if len(whole) >= self.least_grouped:
            parts = [whole[max(end - 3, 0) : end] for end in range(len(whole), 0, -3)]
            whole = self.group.join(reversed(parts))
        sign = "-" if value < 0 else ""
        return f"{sign}{whole}{self.decimal}{rest}" if rest else f"{sign}{whole}"

    def money(self, amount: float, currency: str) -> str:
        """A price as the language writes it."""
        digits = 0 if currency in _WHOLE else 2
        symbol = _SYMBOLS.get(currency, currency)
        pattern = self.money_pattern
        if symbol == currency:
            pattern = pattern.replace("{symbol}{amount}", "{symbol}\u00a0{amount}")
        return pattern.format(amount=self.number(amount, digits=digits), symbol=symbol)

    def say(self, template: str, values: Mapping[str, str]) -> str:
        """A phrase with its slots filled. Values are data; a slot in them stays as it is."""
        text = _SLOT.sub(
            lambda slot: self._mid(values[slot[1]]) if slot[2] else values[slot[1]], template
        )
        # A value may end with a full stop of its own.
        return f"{text[:-1]}" if text.endswith("..") else text

    def _mid(self, value: str) -> str:
        first = _ORDINARY.match(value)
        if self.keep_case or first is None:
            return value
        return value[0].lower() + value[1:]

    def as_english(self, text: str) -> str:
        """The text with numbers and prices as English writes them, for who reads only these.

        ``1.234,56 €`` becomes ``€1234.56``; a text of an English phrasebook stays as it is.
        """
        if self.decimal == ".":
            return text
        text = _NUMBER.sub(_english_number, text)
        return _SUFFIXED.sub(lambda found: f"{found[2]}{found[1]}", text)


def _english_number(found: re.Match[str]) -> str:
    whole, _, rest = found[0].partition(",")
    if "," not in found[0] and "." in whole and not re.search(r"\.\d{3}(?:\D|$)", whole):
        return found[0]
    whole = re.sub(r"[.\u00a0\u202f]", "", whole) if rest or _grouped(whole) else whole
    return f"{whole}.{rest}" if rest else whole


def _grouped(whole: str) -> bool:
    return bool(re.search(r"[\u00a0\u202f]", whole)) or whole.count(".") > 1


@cache
def languages() -> list[str]:
    """Codes of the languages that there are phrases in."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


@cache
def _read(path: Path) -> Phrasebook:
    try:
        raw = path.read_text(encoding="utf-8")
        content = yaml.safe_load(raw)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"The phrases of {path} cannot be read: {error}") from error
    problems: list[str] = []
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no mapping; see phrases/en.yaml for the form.")
    number = content.get("number") or {}
    statements = content.get("statements") or {}
    problems += [
        f"there is no rule '{name}'; {nearest(name, RULES)}"
        for name in statements
        if name not in RULES
    ]
    problems += [f"the rule '{name}' is missing" for name in RULES if name not in statements]
    phrases = {
        name: _phrase(name, values, problems)
        for name, values in statements.items()
        if name in RULES
    }
    problems += [f"number.{key} is missing" for key in ("decimal", "group") if key not in number]
    money = str(content.get("money", ""))
    if {slot for slot, _ in _SLOT.findall(money)} != {"symbol", "amount"}:
        problems.append(f"money is {money!r}; it has the slots {{symbol}} and {{amount}}")
    actions = content.get("action") or {}
    if not actions.get("full"):
        problems.append("action.full is missing")
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise ConfigError(f"The phrases of {path} do not fit:\n{lines}")
    return Phrasebook(
        str(content.get("language", path.stem)),
        str(number["decimal"]),
        str(number["group"]),
        int(number.get("least_grouped", 4)),
        money,
        bool(content.get("keep_case", False)),
        frozenset(str(value).lower() for value in content.get("own_brand") or ()),
        frozenset(str(value).lower() for value in content.get("silent_values") or ()),
        {str(key): str(value) for key, value in (content.get("labels") or {}).items()},
        phrases,
        {tone: _toned(actions, tone) for tone in TONES},
        hashlib.sha256(raw.encode()).hexdigest()[:16],
    )


def _phrase(rule: str, values: Any, problems: list[str]) -> Phrase:
    values = values if isinstance(values, dict) else {}
    full, short = tuple(values.get("full") or ()), tuple(values.get("short") or ())
    if not full or not short:
        problems.append(f"{rule}: has no 'full' or no 'short' variants")
    known = ("weight", "personal", "full", "short", "warm", "brisk")
    problems += [
        f"{rule}: there is no '{key}'; {nearest(str(key), known)}"
        for key in values
        if key not in known
    ]
    for template in (*full, *short, *_listed(values, "warm"), *_listed(values, "brisk")):
        for slot, _ in _SLOT.findall(template):
            if slot not in RULES[rule]:
                problems.append(
                    f"{rule}: unknown placeholder '{{{slot}}}' in {template!r}; "
                    f"{nearest(slot, RULES[rule])}"
                )
        if _SLOT.sub("", template).count("{") or _SLOT.sub("", template).count("}"):
            problems.append(f"{rule}: a brace in {template!r} opens or closes nothing")
    return Phrase(
        rule,
        float(values.get("weight", 0.0)),
        bool(values.get("personal", False)),
        {tone: _toned(values, tone) for tone in TONES},
        {tone: len(_own(values, tone)) for tone in TONES},
        short,
    )


def _listed(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(str(one) for one in values.get(key) or ())


def _own(values: Mapping[str, Any], tone: str) -> tuple[str, ...]:
    return (_listed(values, tone) if tone != "plain" else ()) or _listed(values, "full")


def _toned(values: Mapping[str, Any], tone: str) -> tuple[str, ...]:
    """Variants of a tone, its own first, then all others."""
    own = _own(values, tone)
    others = [one for key in ("full", "warm", "brisk") for one in _listed(values, key)]
    return tuple(dict.fromkeys([*own, *others]))
