"""What a small model wrote, without its habits: repeats, half sentences, talk about the task."""

from __future__ import annotations

import re

from genrec.creatives.neutral import shown

_SENTENCE = re.compile(r"(?<=[.!?…])\s+")
_WORD = re.compile(r"[^\W_]+")
_TALK = re.compile(
    r"^(?:sure|certainly|of course|here (?:is|are)|here's|okay|as an ai)\b[^:.!?\n]*[:.!]\s*",
    re.IGNORECASE,
)
_ENDS = ".!?…"
# Two sentences that share so many of their words say the same.
_SAME = 0.8


def tidy(text: str, *, most: int = 2000) -> str:
    """The text on one line: repeated sentences once, an unfinished last sentence left out.

    A text without any finished sentence is kept as it is.
    """
    text = shown(text, most=most)
    text = _TALK.sub("", text).strip().strip('"“”*`').strip()
    kept: list[str] = []
    seen: list[frozenset[str]] = []
    for sentence in _SENTENCE.split(text):
        words = frozenset(_WORD.findall(sentence.lower()))
        if words and not any(_alike(words, other) for other in seen):
            kept.append(sentence)
            seen.append(words)
    if len(kept) > 1 and kept[-1][-1] not in _ENDS:
        kept.pop()
    return _without_loops(" ".join(kept))


def sentences(text: str) -> list[str]:
    """The sentences of a tidy text, in order."""
    return _SENTENCE.split(text)


def _alike(first: frozenset[str], second: frozenset[str]) -> bool:
    return len(first & second) >= _SAME * min(len(first), len(second))


def _without_loops(text: str) -> str:
    """Runs of the same one to six words are said once."""
    words = text.split(" ")
    for size in range(1, 7):
        kept: list[str] = []
        for word in words:
            kept.append(word)
            tail, before = kept[-size:], kept[-2 * size : -size]
            same = [_bare(one) for one in tail] == [_bare(one) for one in before]
            if len(before) == size and same and any(map(_bare, tail)):
                del kept[-2 * size : -size]
        words = kept
    return " ".join(words)


def _bare(word: str) -> str:
    return word.strip(".,;:!?").lower()
