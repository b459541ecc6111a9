"""Prompts of tasks as tokens: the template's words, and what stands in its places.

What users and sellers wrote is tokenised apart and can spell no token of ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.llm.backbone import Backbone
from genrec.prompting import PromptLibrary
from genrec.semantic_ids.index import SemanticIndex
from genrec.training.packing import IN_VIEW, NO_TARGET, TEXT_TARGET, ItemPlaces, TokenRow

# No user's text can hold it: texts never go through a template.
_PLACE = re.compile("\x00(\\w+)\x00")


class TaskPrompt:
    """The prompt of a task, which its answer continues.

    Args:
        name: of the template.
        words: values that stand in the template as they are.

    Attributes:
        length: tokens of the template's own.
    """

    def __init__(
        self, name: str, backbone: Backbone, library: PromptLibrary, **words: object
    ) -> None:
        places = {place: f"\x00{place}\x00" for place in library.variables(name) - set(words)}
        pieces = _PLACE.split(library.render(name, **places, **words))
        bos = backbone.text_tokenizer.bos_token_id
        self._opening = np.array([] if bos is None else [bos], np.int64)
        # A word after a place begins with its own space; so does what stands in a place.
        texts = text_tokens(backbone, [piece.rstrip(" ") for piece in pieces[::2]])
        self._texts, self._places = texts, pieces[1::2]
        self.length = len(self._opening) + sum(map(len, texts))

    def tokens(self, **values: np.ndarray) -> np.ndarray:
        """The prompt's tokens, with these in its places; shape (tokens,), int64."""
        parts = [self._opening, self._texts[0]]
        for place, text in zip(self._places, self._texts[1:], strict=True):
            parts += [values[place], text]
        return np.concatenate(parts)


def text_tokens(
    backbone: Backbone, texts: Sequence[str], *, most: int | None = None
) -> list[np.ndarray]:
    """Tokens of texts, at most so many of each; no special token can be spelt in them."""
    if not len(texts):
        return []
    tokenizer = backbone.text_tokenizer
    found = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [np.array(ids[:most], np.int64) for ids in found]


@dataclass(frozen=True)
class Answers:
    """Makes training rows of prompts and what should follow them.

    Attributes:
        item_tokens: vocabulary rows of each item's semantic ID, shape (items, levels).
        by_items: whether rows have to say which items they hold, as a hybrid's do.
    """

    index: SemanticIndex
    item_tokens: np.ndarray
    by_items: bool

    def item(self, prompt: np.ndarray, item: int) -> TokenRow:
        """The semantic ID of an item after a prompt."""
        levels = np.arange(self.index.levels)
        codes = self.index.codes[item].astype(np.int64)
        return self._row(prompt, self.item_tokens[item], levels, codes)

    def text(self, prompt: np.ndarray, tokens: np.ndarray) -> TokenRow:
        """Text after a prompt."""
        levels = np.full(len(tokens), TEXT_TARGET, np.int64)
        return self._row(prompt, tokens, levels, tokens)

    def _row(
        self, prompt: np.ndarray, tokens: np.ndarray, levels: np.ndarray, codes: np.ndarray
    ) -> TokenRow:
        start, length = len(prompt), len(prompt) + len(tokens)
        nothing = np.full(length, NO_TARGET, np.int64)
        return TokenRow(
            np.concatenate([prompt, tokens]),
            np.concatenate([nothing[:start], levels]),
            np.concatenate([np.zeros(start, np.int64), codes]),
            items=ItemPlaces(nothing, nothing, np.full(length, IN_VIEW), np.arange(length))
            if self.by_items
            else None,
        )
