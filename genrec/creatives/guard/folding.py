"""Plain letters behind a text that hides them, with the way back to the text as it was written.

Full-width and styled letters, look-alikes of other scripts, combining marks, zero-width and control
characters, and runs written right to left become what a reader sees, in lower case. Look-alikes are
Unicode's, from ``confusable-homoglyphs``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from genrec.errors import MissingExtra

# Signs with a meaning of their own in amounts and prices; folding would lose it.
_KEPT = frozenset("½¼¾⅓⅔⅛⅜⅝⅞°º²³€£¥¢")
_PLAIN = {
    **dict.fromkeys("‘’‛′ʼ´`", "'"),
    **dict.fromkeys("“”„‟″〝〞", '"'),
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("×✕✖⨯", "x"),
    **dict.fromkeys("™®©℠•·●■▪★☆✓✔→…", " "),
    "µ": "u",
    "μ": "u",
    "…": ".",
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "đ": "d",
    "ł": "l",
    "ı": "i",
    "Ω": "ω",
    "\u2126": "ω",
    # Small letters that Unicode's list leaves out, since only their capitals are exact doubles.
    "η": "n",
    "ω": "w",
    "и": "u",
    "п": "n",
    "г": "r",
    "м": "m",
    "ь": "b",
    "я": "r",
    "з": "3",
}
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_REVERSED = re.compile(
    "[\u202e\u2067]([^\u202c\u2069\u202a-\u202e\u2066-\u2069\n]*+)[\u202c\u2069]?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]++")
_WORDS_OF_SCRIPTS = re.compile(r"[^\W\d_]{2,}")
# Zero-width characters between letters; emoji and Indic joiners do not stand between Latin letters.
_INSIDE = re.compile(
    "(?<=[A-Za-z])[\u200b-\u200f\u2060-\u2064\ufeff\u00ad\u180e\U000e0000-\U000e007f]++(?=[A-Za-z])"
)


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as a reader sees it.

    Attributes:
        text: lower case, plain letters.
        places: for each character of ``text`` its position in the original; ``None`` when the two
            have the same positions.
        length: of the original.
    """

    text: str
    places: Sequence[int] | None
    length: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of ``text`` stands in the original."""
        if self.places is None:
            return start, end
        if start >= end:
            place = self.places[start] if start < len(self.places) else self.length
            return place, place
        covered = self.places[start:end]
        return min(covered), max(covered) + 1


def fold(text: str) -> Folded:
    """The plain text behind ``text``, in time linear in its length."""
    if text.isascii() and not _CONTROL.search(text):
        return Folded(text.lower(), None, len(text))
    letters: list[str] = []
    places: list[int] = []
    table = _table()
    for place in _reading_order(text):
        letter = text[place]
        plain = table.get(letter)
        if plain is None:
            plain = table[letter] = _plain(letter)
        if plain:
            letters.append(plain)
            places.extend([place] * len(plain))
    return Folded("".join(letters), places, len(text))


def _reading_order(text: str) -> Sequence[int]:
    """Positions in the order in which they are displayed, overrides undone."""
    if not _BIDI.search(text):
        return range(len(text))
    order: list[int] = []
    at = 0
    for match in _REVERSED.finditer(text):
        order.extend(range(at, match.start(1)))
        order.extend(range(match.end(1) - 1, match.start(1) - 1, -1))
        at = match.end(1)
    order.extend(range(at, len(text)))
    return order


@cache
def _table() -> dict[str, str]:
    """What each character folds to; filled as characters are met."""
    table = {letter: letter.lower() for letter in map(chr, range(32, 127))}
    table.update(dict.fromkeys("\t\n\r", " "))
    table.update({sign: sign.lower() for sign in _KEPT})
    return table | _PLAIN


def _plain(letter: str) -> str:
    if letter in _KEPT:
        return letter
    category = unicodedata.category(letter)
    if category in ("Cf", "Mn", "Me", "Cc", "Cn", "Co", "Cs"):
        return ""
    if category.startswith("Z"):
        return " "
    # Cyrillic and Greek small letters that look like small Latin capitals: т, в, н, к, τ, κ.
    looks = look_alikes().get(letter) or look_alikes().get(letter.upper())
    if looks:
        return looks
    parts = unicodedata.normalize("NFKD", letter)
    plain = "".join(
        look_alikes().get(part, part) for part in parts if not unicodedata.combining(part)
    ).casefold()
    return plain or " "


@cache
def look_alikes() -> dict[str, str]:
    """Characters that look like one Latin letter or digit, and which.

    Raises:
        MissingExtra: ``confusable-homoglyphs`` is not installed.
    """
    try:
        from confusable_homoglyphs.confusables import confusables_data
    except ImportError:
        raise MissingExtra("confusable-homoglyphs", "creatives", "The guard") from None
    table: dict[str, str] = {}
    # Letters before digits: what looks like both is read as a letter.
    for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
        for other in confusables_data.get(letter, ()):
            sign = other["c"]
            if len(sign) == 1 and not sign.isascii() and sign not in _PLAIN and sign not in _KEPT:
                table.setdefault(sign, letter.lower())
    return table


def hidden(text: str) -> list[tuple[int, int, str]]:
    """Spans of what has no place in an honest text, each with what it is."""
    if text.isascii():
        return [(*match.span(), "a control character") for match in _CONTROL.finditer(text)]
    found = [(*match.span(), "a control character") for match in _CONTROL.finditer(text)]
    found += [(*m.span(), "a change of writing direction") for m in _BIDI.finditer(text)]
    found += [(*m.span(), "an invisible character inside a word") for m in _INSIDE.finditer(text)]
    for match in _WORDS_OF_SCRIPTS.finditer(text):
        word = match[0]
        if not word.isascii() and _is_mixed(word):
            found.append((*match.span(), "look-alike letters of another script in a word"))
    return found


def _is_mixed(word: str) -> bool:
    latin = sum(letter.isascii() for letter in word)
    if latin == len(word):
        return False
    scripts = {_script(letter) for letter in word if not letter.isascii()}
    if not scripts & {"CYRILLIC", "GREEK", "CHEROKEE", "ARMENIAN", "MATHEMATICAL", "FULLWIDTH"}:
        return False
    return latin > 0 and word not in ("µm", "μm", "µg", "kΩ", "MΩ", "µF", "mΩ")


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
