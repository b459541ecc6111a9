"""ROUGE-L: how much of a reference's word order a text keeps (Lin 2004)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest common subsequence of words, in lower case; 0 where either has none."""
    said, wanted = (_WORD.findall(one.lower()) for one in (text, reference))
    common = _longest_common(said, wanted)
    return 2 * common / (len(said) + len(wanted)) if common else 0.0


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, by rows of the usual table."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = 0
        for place, other in enumerate(second, 1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    return row[-1]
