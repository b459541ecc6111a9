"""Whether a text that a model wrote is about its item, or repeats what the model was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genrec.creatives.facts import ItemFacts
from genrec.creatives.statements import content_words

# So many words of the task in a row are no chance.
RUN = 4
# Shorter words (of, and, oz) name nothing.
_LEAST = 4
_WORD = re.compile(r"[^\W_]+")


def beside_the_point(text: str, facts: ItemFacts, *, task: str, language: str) -> list[str]:
    """What is wrong with a text as one about this item, in words; empty if nothing is.

    Args:
        task: what the model was asked, without what was quoted to it.
        language: of the text. Values may be translated in other languages than English, so that
            only English texts must share a word with the item.
    """
    problems = []
    asked = {run for line in task.splitlines() for run in _runs(line)}
    if repeated := next((run for run in _runs(text) if run in asked), None):
        problems.append(f"it repeats the task: '{' '.join(repeated)}'")
    named = {word for word in content_words(facts.words) if len(word) >= _LEAST}
    if language == "en" and named and not named & content_words(text):
        problems.append("it says nothing of the item")
    return problems


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return (tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1))
