"""What can be counted in a text without a model: length, form, and cues of withheld information.

Plain counts that a person can check. English words; texts of other languages get the counts of
form alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEGATIONS = _words(
    "no not never none nobody nothing neither nor cannot without don't doesn't didn't isn't "
    "aren't wasn't weren't won't wouldn't can't couldn't shouldn't"
)
_SECOND = _words("you your yours yourself you're you'll you've you'd")
_FIRST = _words("i me my mine we us our ours i'm i've we're we've")
_THIRD = _words("he she him her his hers they them their he's she's they're")
_QUESTION_WORDS = _words("what why how who when where which")
# Words that point at something which the text does not name: Blom and Hansen (2015), "Click bait:
# Forward-reference as lure in online news headlines", Journal of Pragmatics 76.
_POINTING = _words("this these here's here what why how thing things something someone")
_TEASES = re.compile(
    r"\b(?:you won['’]?t believe|won['’]?t believe|what happen(?:s|ed)|happen(?:s|ed) next|"
    r"find out|guess what|the reason|turns out|wait (?:un)?til|blow your mind|see why|"
    r"the rest is|will (?:shock|surprise|amaze))\b",
    re.IGNORECASE,
)
_DATES = re.compile(
    r"\bthis (?:morning|afternoon|evening|weekend|week|month|year|spring|summer|autumn|fall|winter|"
    r"season|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)
_SUPERLATIVE = re.compile(
    r"\b(?:best|worst|most|least|ever|only|first|[a-z]{3,}est)\b", re.IGNORECASE
)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, straight apostrophes."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def withheld(text: str) -> int:
    """How many cues promise information without giving it.

    Words that point ("this", "what"), teases ("what happened next"), and an opening "she", "he"
    or "they" that nobody was named for. "This morning" and the like point at nothing unknown.
    """
    words = words_of(_DATES.sub(" ", text))
    opening = words[:1] and words[0] in _THIRD
    return sum(word in _POINTING for word in words) + len(_TEASES.findall(text)) + bool(opening)


def _any_of(valid: frozenset[str]) -> Callable[[str, list[str]], float]:
    return lambda _, words: float(sum(word in valid for word in words))


def _mark(marks: str) -> Callable[[str, list[str]], float]:
    return lambda text, _: float(any(mark in text for mark in marks))


CUES: dict[str, Callable[[str, list[str]], float]] = {
    "log_characters": lambda text, _: math.log1p(len(text)),
    "log_characters_squared": lambda text, _: math.log1p(len(text)) ** 2,
    "log_words": lambda _, words: math.log1p(len(words)),
    "word_length": lambda _, words: sum(map(len, words)) / max(len(words), 1),
    "sentences": lambda text, _: float(len(re.findall(r"[.!?…]+(?:\s|$)", text))),
    "number": lambda text, _: float(any(c.isdigit() for c in text)),
    "starts_with_number": lambda text, _: float(text[:1].isdigit()),
    "question": _mark("?"),
    "exclamation": _mark("!"),
    "quotation": _mark('"“”«»'),
    "colon": _mark(":"),
    "ellipsis": lambda text, _: float("..." in text or "…" in text),
    "dash": _mark("–—"),
    "bracket": _mark("([{"),
    "shouting": lambda text, _: float(len(re.findall(r"\b[A-Z]{3,}\b", text))),
    "capitals": lambda text, _: sum(c.isupper() for c in text) / max(len(text), 1),
    "second_person": _any_of(_SECOND),
    "first_person": _any_of(_FIRST),
    "third_person": _any_of(_THIRD),
    "negations": _any_of(_NEGATIONS),
    "question_words": _any_of(_QUESTION_WORDS),
    "superlatives": lambda text, _: float(len(_SUPERLATIVE.findall(text))),
    "pointing": _any_of(_POINTING),
    "teases": lambda text, _: float(len(_TEASES.findall(text))),
}
"""Name of each cue and how it is counted from a text and its words."""


def cues_of(texts: Sequence[str]) -> np.ndarray:
    """The cues of texts, shape (texts, cues), float64, in the order of ``CUES``."""
    found = np.empty((len(texts), len(CUES)))
    for row, text in enumerate(texts):
        words = words_of(text)
        found[row] = [count(text, words) for count in CUES.values()]
    return found
