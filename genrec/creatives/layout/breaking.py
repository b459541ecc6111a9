"""Text to lines: where a line may end, how few lines will do, and lines of like length.

A small part of Unicode's line breaking (UAX #14): blanks and hyphens; between Chinese and Japanese
letters but for signs that may not begin or end a line. Korean breaks at blanks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from itertools import pairwise

Width = Callable[[str], float]
# What may not stand first in a line, and what may not stand last (kinsoku).
_NOT_FIRST = frozenset(
    "、。，．・：；？！‥…ー）〕］｝〉》」』】’”々ゝゞヽヾぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ,.!?:;)]}%℃"
)
_NOT_LAST = frozenset("（〔［｛〈《「『【‘“([{¥$€£￥＄")


def breaks(text: str) -> list[int]:
    """Places where a new line may begin, in order; the end of the text is not among them."""
    return [place for place in range(1, len(text)) if _may_break(text[place - 1], text[place])]


def words(text: str) -> list[str]:
    """The text in pieces that cannot be broken; blanks go with the piece before them."""
    places = [0, *breaks(text), len(text)]
    return [text[start:end] for start, end in pairwise(places) if end > start]


def wrap(text: str, width: Width, room: float) -> list[str] | None:
    """As few lines as fit the room, of like length; ``None`` if a piece is wider than it."""
    pieces = words(text)
    lines = _greedy(pieces, width, room)
    if lines is None or len(lines) < 2:
        return lines
    # The narrowest room that needs no more lines: no single word is left on the last one.
    low, high = 0.5 * room, room
    for _ in range(7):
        middle = (low + high) / 2
        tried = _greedy(pieces, width, middle)
        if tried is not None and len(tried) == len(lines):
            lines, high = tried, middle
        else:
            low = middle
    return lines


def shortened(text: str, fits: Callable[[str], bool]) -> str | None:
    """The text, or its longest beginning that fits, at a word's end and with …, or ``None``."""
    if fits(text):
        return text
    places = breaks(text)
    low, high = 0, len(places)
    best = None
    while low < high:
        middle = (low + high) // 2
        tried = _ended(text[: places[middle]])
        if tried and fits(tried):
            best, low = tried, middle + 1
        else:
            high = middle
    # One or two words are no text.
    return best if best and len(words(best)) >= 3 else None


def _ended(text: str) -> str:
    text = text.rstrip()
    while text and unicodedata.category(text[-1])[0] in ("P", "Z"):
        text = text[:-1]
    return f"{text}…" if text else ""


def _greedy(pieces: list[str], width: Width, room: float) -> list[str] | None:
    lines: list[str] = []
    current = ""
    for piece in pieces:
        if current and width((current + piece).rstrip()) <= room:
            current += piece
            continue
        if width(piece.rstrip()) > room:
            return None
        if current:
            lines.append(current.rstrip())
        current = piece
    if current.strip():
        lines.append(current.rstrip())
    return lines


def _may_break(before: str, after: str) -> bool:
    if after.isspace():
        return False
    if before in " \t\n\u2003\u3000":
        return True
    if before in "\u00a0\u202f\u2060" or after in _NOT_FIRST or before in _NOT_LAST:
        return False
    if before in "-‐–—/" and after.isalnum():
        # Not within 10-12 or a leading minus.
        return not after.isdigit()
    if _katakana(before) and _katakana(after):
        # Loan words are read as one.
        return False
    return _ideographic(before) or _ideographic(after)


def _katakana(letter: str) -> bool:
    return 0x30A1 <= ord(letter) <= 0x30FF and letter != "・"


def _ideographic(letter: str) -> bool:
    point = ord(letter)
    return (
        0x3040 <= point <= 0x30FF
        or 0x3400 <= point <= 0x9FFF
        or 0xF900 <= point <= 0xFAFF
        or 0x20000 <= point <= 0x3FFFF
        or 0x3000 <= point <= 0x303F
        or 0xFF01 <= point <= 0xFF60
    )
