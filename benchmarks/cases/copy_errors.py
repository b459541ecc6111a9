"""Texts about real items: clean ones, and ones with a known error at a known place.

Nothing here is taken from the guard: words are harvested by patterns from items' own texts, units
are grouped by hand, and tricks use a table of look-alikes of their own.
"""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import polars as pl
import yaml

from genrec.data.catalog import Item

SEED = 0
GROCERIES = 4000
NO = yaml.safe_load(Path(__file__).with_name("no_words.yaml").read_text("utf-8"))
UNIT_GROUPS = [
    ["inches", "inch", "in"], ["feet", "ft", "foot"], ["mm"], ["cm"], ["yards", "yard"],
    ["oz", "ounces", "ounce"], ["lb", "lbs", "pounds", "pound"], ["grams"], ["kg"],
    ["ml"], ["gallon", "gallons"], ["liter", "liters"], ["psi"], ["volts", "volt"],
    ["watts", "watt"], ["amps", "amp"], ["degrees"], ["hours", "hour"], ["minutes"], ["seconds"],
    ["days"], ["years", "year"], ["months"], ["rpm"], ["mil"], ["gauge"], ["sheets", "sheet"],
    ["pages"], ["percent"], ["microns", "micron"],
]  # fmt: skip
GROUP_OF = {unit: number for number, units in enumerate(UNIT_GROUPS) for unit in units}
MADE = (
    r"\b([A-Za-z]{3,14}) (?:construction|body|frame|handles?|blade|plated|alloy|housing|lining)\b"
)
NUMBER = re.compile(r"(?<![\w.,/\-$#])(\d{1,4}(?:\.\d{1,3})?)(?![\w.,/]*\d)")
NUMBER_UNIT = re.compile(
    r"(?<![\w.,/\-$#])(\d{1,4}(?:\.\d{1,3})?)([ \-])"
    rf"({'|'.join(sorted(GROUP_OF, key=len, reverse=True))})\b",
    re.IGNORECASE,
)
OPENERS = (
    "Meet {t}.", "Say hello to {t}.", "Looking for something for your home? Try {t}.",
    "{t}: a smart pick for your day.", "Ready when you are: {t}.", "Add {t} to your cart today.",
    "Why wait? {t} is here for you.", "You asked, we listened. {t}.", "Have a look at {t}.",
    "Made for people who care about details: {t}.", "Treat yourself to {t}.",
    "A little help for busy days - {t}.", "Discover {t} in our shop.", "For work or for play: {t}",
    "Because you like things that work: {t}.", "Still thinking about {t}? It is waiting for you.",
)  # fmt: skip
BY_BRAND = ("{t} by {b}.", "From {b}: {t}.", "{b} presents {t}.", "Why not try {t} from {b}?")
POUNDS = {"lb": ("oz", 16), "gal": ("qt", 4), "qt": ("pt", 2), "dozen": ("count", 12)}


@dataclass(frozen=True)
class Case:
    """One text about one item; ``span`` is where the error stands, ``None`` in a clean text."""

    kind: str
    text: str
    item: Item
    span: tuple[int, int] | None = None


def half(item: Item) -> str:
    return "dev" if hashlib.sha256(item.id.encode()).digest()[0] % 2 else "test"


def real_items(part: str) -> list[Item]:
    from genrec.data.sources import complete_journey, minionerec

    amazon = [item for domain in minionerec.DOMAINS for item in minionerec.load(domain).catalog]
    groceries = list(complete_journey.load().catalog)
    random.Random(SEED).shuffle(groceries)
    chosen = [item for item in amazon if half(item) == part]
    return chosen + [item for item in groceries if half(item) == part and item.price][:GROCERIES]


def sentences_of(item: Item) -> list[str]:
    parts = re.split(r"(?<=[.!?])\s+", item.text)
    return [part for part in parts if 25 <= len(part) <= 250 and part.count(" ") >= 3]


def everything(item: Item) -> str:
    values = " ".join(map(str, item.attributes.values()))
    return f"{item.title} {values} {item.text}".lower()


@dataclass
class Harvest:
    """Words that the items of this half use, found by patterns."""

    colours: list[str]
    materials: list[str]
    certificates: list[str]
    numbers: list[str]

    @staticmethod
    def of(items: Sequence[Item]) -> Harvest:
        colours: Counter[str] = Counter()
        materials: Counter[str] = Counter()
        certificates: Counter[str] = Counter()
        numbers: Counter[str] = Counter()
        for item in items:
            said = f"{item.title}. {item.text}"
            colours.update(
                w.lower() for w in re.findall(r"\b[Cc]olou?rs? ?[:\-] ?([A-Za-z]{3,12})\b", said)
            )
            colours.update(w.lower() for w in re.findall(r"\bin ([a-z]{3,12}) colou?r\b", said))
            materials.update(
                w.lower() for w in re.findall(r"\b[Mm]aterials? ?: ?([A-Za-z]{3,14})\b", said)
            )
            materials.update(
                w.lower() for w in re.findall(r"\bmade (?:of|from|with) ([a-z]{3,14})\b", said)
            )
            certificates.update(
                w
                for w in re.findall(
                    r"\b([A-Z][A-Za-z]{1,8}[ \-]"
                    r"(?:[Aa]pproved|[Cc]ertified|[Cc]ompliant|[Ll]isted))\b",
                    said,
                )
            )
            certificates.update(
                w for w in re.findall(r"\b([a-z]{3,12}-(?:free|proof|resistant|safe))\b", said)
            )
            certificates.update(
                w
                for w in re.findall(
                    r"\b(?:meets?|exceeds?|complies with|conforms to) "
                    r"((?:[A-Z]{2,6})(?: [A-Z]?\d[\d.\-]*)?)\b",
                    said,
                )
            )
            numbers.update(NUMBER.findall(said))
            materials.update(w.lower() for w in re.findall(MADE, said))
        return Harvest(
            sorted(
                {w for w, n in colours.items() if n >= 2 and w not in NO["colour"]} | labelled()
            ),
            [w for w, n in materials.most_common() if n >= 3 and w not in NO["material"]],
            [w for w, n in certificates.most_common() if w not in NO["certificate"]],
            [w for w, n in numbers.most_common(400)],
        )


def labelled() -> set[str]:
    """The colours by which people labelled the photos of another shop."""
    from genrec.data.sources.folders import data_folder

    table = pl.read_parquet(data_folder("fashion-product-images-small") / "styles.parquet")
    (column,) = [name for name in table.columns if "colour" in name.lower()]
    words = {str(word).lower() for word in table[column].drop_nulls().unique()}
    return words - {"multi", "skin", "nude", "na", "steel", "metallic", "fluorescent green"}


def clean_cases(items: Sequence[Item], dice: random.Random) -> Iterator[Case]:
    for item in items:
        own = sentences_of(item)
        for sentence in dice.sample(own, min(2, len(own))):
            yield Case("sentence", sentence, item)
        if not own or dice.random() < 0.3:
            yield Case("opener", dice.choice(OPENERS).format(t=item.title), item)
        brand = str(item.attributes.get("brand", ""))
        if brand and dice.random() < 0.3 and item.price is None:
            yield Case("brand", dice.choice(BY_BRAND).format(t=item.title, b=brand), item)
        if item.price:
            yield from priced(item, dice)


def priced(item: Item, dice: random.Random) -> Iterator[Case]:
    name, price = str(item.attributes.get("type", item.title)), f"${item.price:.2f}"
    yield Case(
        "price",
        dice.choice(("{n} for {p}.", "{n}, now {p}.", "Just {p}: {n}.")).format(n=name, p=price),
        item,
    )
    size = re.fullmatch(r"(\d+(?:\.\d+)?) (\w+)", str(item.attributes.get("size", "")))
    if size and size[2] in POUNDS and dice.random() < 0.8:
        unit, times = POUNDS[size[2]]
        amount = Fraction(size[1]) * times
        shown = str(amount.numerator) if amount.denominator == 1 else str(float(amount))
        yield Case("converted", f"{name}: all of {shown} {unit} for {price}.", item)


def error_cases(items: Sequence[Item], found: Harvest, dice: random.Random) -> Iterator[Case]:
    for item in items:
        own, said = sentences_of(item), everything(item)
        if own:
            yield from changed_amounts(item, own, said, dice, found)
            yield from changed_words("colour", item, own, said, found.colours, dice)
            yield from changed_words("material", item, own, said, found.materials, dice)
        for kind, words, frames in (
            ("colour", found.colours, ("{t} in {w}.", "Now in {w}: {t}.", "Get the {w} one.")),
            ("material", found.materials, ("{t}, made of {w}.", "Crafted from {w}.", "{w} {t}")),
            (
                "certificate",
                found.certificates,
                ("{t} - {w}.", "It is {w}: {t}.", "{w} for your peace of mind."),
            ),
        ):
            if dice.random() < 0.5 and (word := absent(words, said, dice)):
                yield put_in(kind, dice.choice(frames), word, item)
        if dice.random() < 0.4:
            yield wrong_price(item, dice)


def absent(words: Sequence[str], said: str, dice: random.Random) -> str:
    for word in dice.sample(words, min(12, len(words))):
        stem = re.sub(r"(?:en|s|ed)$", "", word.lower())
        parts = re.split(r"[ \-]", stem)
        if stem not in said and (len(parts) == 1 or parts[0] not in said):
            return word
    return ""


def put_in(kind: str, frame: str, word: str, item: Item) -> Case:
    before, _, after = frame.partition("{w}")
    before = before.replace("{t}", item.title)
    text = before + word + after.replace("{t}", item.title)
    return Case(kind, text, item, (len(before), len(before) + len(word)))


def wrong_price(item: Item, dice: random.Random) -> Case:
    while True:
        price = f"${dice.choice((dice.uniform(0.5, 10), dice.uniform(5, 200))):.2f}"
        if not item.price or abs(float(price[1:]) - item.price) > 0.004:
            break
    return put_in("price", dice.choice(("{t} for {w}.", "Only {w}!", "{t}: now {w}")), price, item)


def changed_amounts(
    item: Item, own: Sequence[str], said: str, dice: random.Random, found: Harvest
) -> Iterator[Case]:
    with_number = [(s, m) for s in own for m in NUMBER.finditer(s)]
    own_numbers = set(re.findall(r"\d+(?:\.\d+)?", said))
    if with_number:
        sentence, match = dice.choice(with_number)
        others = [
            n
            for n in found.numbers
            if n not in own_numbers and float(n) not in map(float, own_numbers)
        ]
        yield swapped("number", sentence, match.span(1), dice.choice(others), item)
    with_unit = [(s, m) for s in own for m in NUMBER_UNIT.finditer(s)]
    if with_unit:
        sentence, match = dice.choice(with_unit)
        group = GROUP_OF[match[3].lower()]
        unit = dice.choice(
            dice.choice([units for place, units in enumerate(UNIT_GROUPS) if place != group])
        )
        if not re.search(rf"(?<![\d.]){re.escape(match[1])}[ \-]?{unit}", said):
            case = swapped("unit", sentence, match.span(3), unit, item)
            assert case.span is not None
            yield Case("unit", case.text, item, (match.start(1), case.span[1]))


def changed_words(
    kind: str, item: Item, own: Sequence[str], said: str, words: Sequence[str], dice: random.Random
) -> Iterator[Case]:
    known = set(words)
    places = [(s, m) for s in own for m in re.finditer(r"[A-Za-z]+", s) if m[0].lower() in known]
    if places and (word := absent(words, said, dice)):
        sentence, match = dice.choice(places)
        yield swapped(kind, sentence, match.span(), word, item)


def swapped(kind: str, text: str, span: tuple[int, int], word: str, item: Item) -> Case:
    new = text[: span[0]] + word + text[span[1] :]
    return Case(kind, new, item, (span[0], span[0] + len(word)))


CYRILLIC = dict(zip("aceopxyiskhbt", "асеорхуіѕкнвт", strict=True))
GREEK = dict(zip("aopvxikt", "αορνχικτ", strict=True))
LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7+", "b": "8", "l": "1|"}
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


def _each(table: Callable[[str], str]) -> Callable[[str, random.Random], str]:
    return lambda phrase, dice: "".join(
        table(sign) if dice.random() < 0.6 else sign for sign in phrase
    )


def _one(phrase: str, change: Callable[[str], str], dice: random.Random) -> str:
    places = [at for at, sign in enumerate(phrase) if sign.isalpha()]
    at = dice.choice(places)
    return phrase[:at] + change(phrase[at]) + phrase[at + 1 :]


def _between(mark: str) -> Callable[[str, random.Random], str]:
    return lambda phrase, _: mark.join(phrase.replace(" ", mark))


TRICKS: dict[str, Callable[[str, random.Random], str]] = {
    "plain": lambda phrase, dice: dice.choice((phrase, phrase.upper(), phrase.title())),
    "cyrillic": _each(lambda sign: CYRILLIC.get(sign, sign)),
    "greek": _each(lambda sign: GREEK.get(sign, sign)),
    "full width": _each(lambda sign: chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign),
    "mathematical": _each(
        lambda sign: chr(0x1D41A + ord(sign) - 97) if "a" <= sign <= "z" else sign
    ),
    "accents": _each(
        lambda sign: unicodedata.normalize("NFC", sign + "\u0301") if sign.isalpha() else sign
    ),
    "marks": _each(lambda sign: sign + "\u0336" if sign.isalpha() else sign),
    "invisible": lambda phrase, dice: _one(phrase, lambda s: s + dice.choice(INVISIBLE), dice),
    "leet": lambda phrase, dice: "".join(
        dice.choice(LEET[s]) if s in LEET and dice.random() < 0.5 else s for s in phrase
    ),
    "repeated": lambda phrase, dice: _one(phrase, lambda s: s * dice.randint(2, 6), dice),
    "spaced": _between(" "),
    "dotted": _between("."),
    "dashed": _between("-"),
    "starred": _between("*"),
    "reversed": lambda phrase, _: f"\u202e{phrase[::-1]}\u202c",
}  # fmt: skip


def forbidden_cases(
    items: Sequence[Item], phrases: Sequence[str], count: int, dice: random.Random
) -> Iterator[Case]:
    """Phrases of a policy behind one or two tricks, in a clean text about an item."""
    names = list(TRICKS)
    frames = ("{t}: {w} for you.", "{w} - {t}", "Try it today, {w}, {t}.", "{t} {w}!")
    for number in range(count):
        name, phrase = names[number % len(names)], dice.choice(phrases).lower()
        hidden = TRICKS[name](phrase, dice)
        if name in ("spaced", "dotted") and dice.random() < 0.5:
            name, hidden = f"{name}+leet", TRICKS[name](TRICKS["leet"](phrase, dice), dice)
        elif name in ("cyrillic", "full width") and dice.random() < 0.3:
            name, hidden = f"{name}+repeated", TRICKS["repeated"](hidden, dice)
        yield put_in(name, dice.choice(frames), hidden, dice.choice(items))
