"""Which way each letter of a line runs, after Unicode's bidirectional algorithm (UAX #9).

Rules W, N, I and L. Embeddings, overrides and isolates are left out: letters that turn the
direction of writing are refused in an ad before it comes here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

LTR, RTL = 0, 1
_STRONG_RTL = ("R", "AL")
# Only what is common in ads; HarfBuzz mirrors the glyphs themselves.
_PAIRS = {"(": ")", "[": "]", "{": "}", "«": "»", "「": "」", "『": "』", "（": "）"}
_NEUTRAL = ("B", "S", "WS", "ON")


def direction_of(text: str, *, default: int = LTR) -> int:
    """The direction of the first letter that has one (rules P2 and P3)."""
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind == "L":
            return LTR
        if kind in _STRONG_RTL:
            return RTL
    return default


def has_rtl(text: str) -> bool:
    """Whether any letter runs from right to left."""
    return any(unicodedata.bidirectional(letter) in _STRONG_RTL for letter in text)


def levels(text: str, base: int) -> list[int]:
    """The embedding level of each letter; odd ones run from right to left."""
    kinds = [unicodedata.bidirectional(letter) or "L" for letter in text]
    around = "R" if base else "L"
    _weak(kinds, around)
    _brackets(text, kinds, around)
    _neutral(kinds, around)
    found = []
    for kind in kinds:
        if base == LTR:
            found.append({"L": 0, "R": 1}.get(kind, 2))
        else:
            found.append({"R": 1}.get(kind, 2))
    # L1: blanks at the end of a line stand at its end.
    for place in range(len(text) - 1, -1, -1):
        if unicodedata.bidirectional(text[place]) not in ("WS", "S", "B"):
            break
        found[place] = base
    return found


def visual_runs(found: Sequence[int]) -> list[tuple[int, int, int]]:
    """Runs of one level as ``(start, end, level)``, in the order in which they stand on paper."""
    runs: list[tuple[int, int, int]] = []
    for place, level in enumerate(found):
        if runs and runs[-1][2] == level:
            runs[-1] = (runs[-1][0], place + 1, level)
        else:
            runs.append((place, place + 1, level))
    # L2: from the highest level down, turn around what stands at it or above.
    for level in range(max(found, default=0), 0, -1):
        place = 0
        while place < len(runs):
            end = place
            while end < len(runs) and runs[end][2] >= level:
                end += 1
            if end > place:
                runs[place:end] = runs[place:end][::-1]
            place = max(end, place + 1)
    return runs


def _weak(kinds: list[str], around: str) -> None:
    strong = previous = around
    for place, kind in enumerate(kinds):  # W1 to W3
        if kind == "NSM":
            kind = kinds[place] = previous
        elif kind == "EN" and strong == "AL":
            kind = kinds[place] = "AN"
        previous = kind
        if kind in ("L", "R", "AL"):
            strong = kind
    kinds[:] = ["R" if kind == "AL" else kind for kind in kinds]
    for place in range(1, len(kinds) - 1):  # W4
        before, kind, after = kinds[place - 1 : place + 2]
        if (kind == "ES" and before == after == "EN") or (
            kind == "CS" and before == after and before in ("EN", "AN")
        ):
            kinds[place] = before
    place = 0
    while place < len(kinds):  # W5: signs beside a number belong to it
        end = place
        while end < len(kinds) and kinds[end] == "ET":
            end += 1
        if end > place:
            beside = (place > 0 and kinds[place - 1] == "EN") or (
                end < len(kinds) and kinds[end] == "EN"
            )
            kinds[place:end] = ["EN" if beside else "ON"] * (end - place)
        place = max(end, place + 1)
    strong = around
    for place, kind in enumerate(kinds):  # W6, W7
        if kind in ("ES", "CS", "BN"):
            kinds[place] = "ON"
        elif kind == "EN" and strong == "L":
            kinds[place] = "L"
        if kind in ("L", "R"):
            strong = kind


def _brackets(text: str, kinds: list[str], around: str) -> None:
    """N0: a pair of brackets runs as what stands in it."""
    opened: list[tuple[str, int]] = []
    pairs = []
    for place, letter in enumerate(text):
        if letter in _PAIRS and kinds[place] == "ON":
            opened.append((_PAIRS[letter], place))
        elif kinds[place] == "ON" and any(letter == closing for closing, _ in opened):
            while opened[-1][0] != letter:
                opened.pop()
            pairs.append((opened.pop()[1], place))
    for start, end in sorted(pairs):
        inside = {_strong(kind) for kind in kinds[start + 1 : end]}
        if around in inside:
            way = around
        elif inside & {"L", "R"}:
            before = [_strong(kind) for kind in kinds[:start] if _strong(kind)]
            other = "L" if around == "R" else "R"
            way = other if before and before[-1] == other else around
        else:
            continue
        kinds[start] = kinds[end] = way


def _strong(kind: str) -> str:
    return "L" if kind == "L" else "R" if kind in ("R", "EN", "AN") else ""


def _neutral(kinds: list[str], around: str) -> None:
    place = 0
    while place < len(kinds):  # N1, N2
        end = place
        while end < len(kinds) and kinds[end] in _NEUTRAL:
            end += 1
        if end > place:
            before = _strong(kinds[place - 1]) if place else around
            after = _strong(kinds[end]) if end < len(kinds) else around
            kinds[place:end] = [before if before == after else around] * (end - place)
        place = max(end, place + 1)
