"""A user's history as tokens: the prompt of the next item, and the training rows.

Text comes from a prompt template; items stand in it as their semantic-ID tokens.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from genrec.data.sequences import History, Sequences
from genrec.errors import ConfigError
from genrec.llm.backbone import Backbone
from genrec.prompting import PromptLibrary
from genrec.recommenders.options import PromptConfig
from genrec.semantic_ids.index import SemanticIndex
from genrec.training.packing import NO_TARGET, TokenRow

# Stand in for token lists while the text around them is rendered; no user text can hold them.
_FAVOURITES, _HISTORY = "\x00favourites\x00", "\x00history\x00"


class HistoryPrompt:
    """Writes histories as tokens of one backbone and one index."""

    def __init__(
        self,
        config: PromptConfig,
        backbone: Backbone,
        index: SemanticIndex,
        library: PromptLibrary | None = None,
    ) -> None:
        self.config, self.index = config, index
        self.basket_id = backbone.basket_id
        self.item_tokens = backbone.token_ids.cpu().numpy()[index.token_numbers]
        library = library or PromptLibrary()
        self.template_hash = library.hash(config.template)
        self._with = self._pieces(backbone, library, _FAVOURITES)
        self._without = self._pieces(backbone, library, "")

    def _pieces(
        self, backbone: Backbone, library: PromptLibrary, favourites: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Token ids before the favourites and between them and the history."""
        text = library.render(self.config.template, favourites=favourites, history=_HISTORY)
        head, found, tail = text.rstrip("\n").partition(_HISTORY)
        if not found or tail:
            raise ConfigError(f"The prompt {self.config.template} must end with {{{{ history }}}}.")
        before, _, between = head.partition(_FAVOURITES) if favourites else (head, "", "")
        tokenizer = backbone.text_tokenizer
        opening = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]

        def ids(part: str) -> list[int]:
            return list(tokenizer(part, add_special_tokens=False)["input_ids"]) if part else []

        return np.array(opening + ids(before), np.int64), np.array(ids(between), np.int64)

    def tokens(self, history: History) -> list[int]:
        """The prompt after which the next item's semantic ID is generated."""
        cut = max(len(history) - self.config.history, 0)
        header = self._header(history.items[:cut])
        body = self._body(history, cut, len(history), order=None)
        parts = [header, body.tokens]
        if history.baskets is not None:
            parts.append(np.array([self.basket_id]))
        return [int(token) for token in np.concatenate(parts)]

    def _header(self, earlier: np.ndarray) -> np.ndarray:
        favourites = favourite_items(earlier, self.config.favourites)
        if not len(favourites):
            return np.concatenate(self._without)
        before, between = self._with
        return np.concatenate([before, self.item_tokens[favourites].ravel(), between])

    def _body(
        self, history: History, start: int, end: int, order: np.random.Generator | None
    ) -> TokenRow:
        items = history.items[start:end]
        baskets = None if history.baskets is None else history.baskets[start:end]
        if baskets is not None and order is not None:
            # The order within a basket says nothing; a new one each epoch keeps it from being
            # learned.
            items = items[np.lexsort((order.random(len(items)), baskets))]
        levels = self.index.levels
        tokens = self.item_tokens[items]
        codes = self.index.codes[items].astype(np.int64)
        targets = np.broadcast_to(np.arange(levels), tokens.shape)
        if baskets is None or not len(items):
            return TokenRow(tokens.ravel(), targets.ravel(), codes.ravel())
        opens = np.append(True, baskets[1:] != baskets[:-1])
        places = np.flatnonzero(opens) * levels
        return TokenRow(
            np.insert(tokens.ravel(), places, self.basket_id),
            np.insert(targets.ravel(), places, NO_TARGET),
            np.insert(codes.ravel(), places, 0),
        )


class HistoryRows:
    """Training rows: each history cut into windows of ``history`` events, counted from its end.

    Args:
        windows: of each history, counted from its end; 0 takes all.

    The line of favourites in front of a window is made of the events before it, as in a prompt.
    """

    def __init__(
        self, prompt: HistoryPrompt, sequences: Sequences, *, seed: int, windows: int = 0
    ) -> None:
        self.prompt, self.sequences, self.seed = prompt, sequences, seed
        size = prompt.config.history
        spans = []
        for user, length in enumerate(sequences.lengths.tolist()):
            for number, end in enumerate(range(length, 0, -size)):
                if windows and number >= windows:
                    break
                spans.append((user, max(end - size, 0), end))
        self.spans = [span for span in spans if span[2] - span[1] > 1 or span[1] > 0]
        self.headers = [
            prompt._header(sequences[user].items[:start]) for user, start, _ in self.spans
        ]

    @property
    def token_counts(self) -> np.ndarray:
        counts = np.empty(len(self.spans), np.int64)
        for number, (user, start, end) in enumerate(self.spans):
            baskets = self.sequences[user].baskets
            opened = 0
            if baskets is not None:
                opened = 1 + int((np.diff(baskets[start:end]) != 0).sum())
            length = (end - start) * self.prompt.index.levels
            counts[number] = len(self.headers[number]) + length + opened
        return counts

    def row(self, number: int, epoch: int) -> TokenRow:
        """One window as a row; the same number and epoch give the same row."""
        user, start, end = self.spans[number]
        order = np.random.default_rng((self.seed, epoch, number))
        body = self.prompt._body(self.sequences[user], start, end, order)
        header = self.headers[number]
        return TokenRow(
            np.concatenate([header, body.tokens]),
            np.concatenate([np.full(len(header), NO_TARGET), body.levels]),
            np.concatenate([np.zeros(len(header), np.int64), body.codes]),
        )


def favourite_items(items: np.ndarray, count: int) -> np.ndarray:
    """The items that occur most often, the later one first among equals, shape (≤ count,)."""
    if not count or not len(items):
        return np.zeros(0, np.int64)
    last = {int(item): place for place, item in enumerate(items)}
    counted = Counter(int(item) for item in items)
    ranked = sorted(counted, key=lambda item: (-counted[item], -last[item]))
    return np.array(ranked[:count], np.int64)
