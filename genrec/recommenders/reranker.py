"""An LLM reads a list and puts it into another order: listwise re-ranking by prompt.

::

    reranked = Reranker(recommender, open_text_model("smollm2-135m"))
    evaluate(reranked, test, against=[recommender])    # better than the order it was given?

The LLM sees titles under letters and is asked for one letter; the log-probabilities of all letters
order the list at once (Tang et al. 2024, "Found in the middle: permutation self-consistency", is
the idea of asking in several orders, since LLMs prefer places). A model that tells no
log-probabilities is held to the letters and asked for its first few choices.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from genrec.data.allowed import AllowedItems
from genrec.data.sequences import History, Sequences
from genrec.llm.text import Message, TextModel
from genrec.prompting import PromptLibrary
from genrec.recommenders.base import NO_ITEM, Ranking, Recommender
from genrec.recommenders.options import LETTERS, RerankConfig

# Choices that a model is asked for which tells no probabilities.
PICKS = 3
# Between equal choices the given order decides.
SLIGHTLY = 1e-3


class Reranker(Recommender):
    """Another recommender's lists, the first few of each in the order of an LLM.

    Args:
        inner: whose lists they are; what it may return, this may.
        model: of ``genrec.llm.text``.
    """

    name = "reranked"

    def __init__(
        self,
        inner: Recommender,
        model: TextModel,
        config: RerankConfig | None = None,
        *,
        library: PromptLibrary | None = None,
    ) -> None:
        self.inner, self.model, self.config = inner, model, config or RerankConfig()
        self.catalog, self.beams, self.seed = inner.catalog, inner.beams, inner.seed
        self.reads_events = inner.reads_events
        self.library = library or PromptLibrary()

    def rank(
        self,
        histories: Sequences,
        n: int,
        *,
        allowed: np.ndarray | AllowedItems | None = None,
        exclude_seen: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Ranking:
        """See ``Recommender.rank``; the scores are mean log-probabilities of the letters.

        What comes after the candidates keeps its order, below all of them.
        """
        most = self.config.candidates
        given = self.inner.rank(histories, max(n, most), allowed=allowed, exclude_seen=exclude_seen)
        items, scores = given.items.copy(), given.scores.copy()
        for row, history in enumerate(histories):
            found = int((items[row] != NO_ITEM).sum())
            head = items[row, : min(found, most)]
            own = self._scores(history, head).astype(np.float32)
            order = np.lexsort((head, -own))
            items[row, : len(head)], scores[row, : len(head)] = head[order], own[order]
            if found > len(head):
                floor = own.min() - 1
                scores[row, len(head) : found] = floor - np.arange(found - len(head))
            if progress is not None:
                progress(row + 1, len(histories))
        return Ranking(items[:, :n], scores[:, :n])

    def _scores(self, history: History, candidates: np.ndarray) -> np.ndarray:
        """How likely each candidate is next, higher is better, shape (candidates,)."""
        size = len(candidates)
        places = -np.log(np.arange(size) + 1.0)
        if size < 2:
            return places
        said = np.concatenate([history.items[-self.config.history :], candidates])
        generator = np.random.default_rng(zlib.crc32(said.astype(np.int64).tobytes()))
        start = generator.permutation(size)
        total = np.zeros(size)
        times = min(self.config.permutations, size)
        for turn in range(times):
            # Turned round, so that each candidate stands in many places.
            shown = np.roll(start, turn * size // times)
            total[shown] += self._weights(history, candidates, shown)
        return total / times + self.config.order_weight * places

    def _weights(self, history: History, candidates: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """What the model thinks of candidates in the order in which they are shown.

        Args:
            shown: their places in the given order, shape (candidates,).
        """
        letters, items = list(LETTERS[: len(shown)]), candidates[shown]
        text = self.library.render(
            self.config.template,
            history=[self._title(item) for item in history.items[-self.config.history :]],
            candidates=[(one, self._title(item)) for one, item in zip(letters, items, strict=True)],
        )
        asked = [Message("user", text)]
        weights = self.model.weigh(asked, letters)
        if weights is not None:
            return np.array(weights)
        points = -SLIGHTLY * shown
        left = list(range(len(shown)))
        for pick in range(min(PICKS, len(shown) - 1)):
            chosen = left.pop(self.model.choose(asked, [letters[place] for place in left]))
            points[chosen] += PICKS - pick
        return points

    def _title(self, item: int) -> str:
        return " ".join(self.catalog[int(item)].title.split())
