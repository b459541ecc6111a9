"""A user's history as tokens: the prompt of the next item, and the training rows.

Text comes from a prompt template; items stand in it as their semantic-ID tokens.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from genrec.data.sequences import History, Sequences
from genrec.errors import ConfigError
from genrec.llm.backbone import Backbone
from genrec.llm.item_table import item_ids
from genrec.prompting import PromptLibrary
from genrec.recommenders.groups import NO_GROUP, HistoryGroups
from genrec.recommenders.options import GenerativeConfig, PromptConfig
from genrec.semantic_ids.index import SemanticIndex
from genrec.training.packing import IN_VIEW, NO_TARGET, ItemPlaces, PackedRows, TokenRow

# Stand in for token lists while the text around them is rendered; no user text can hold them.
_FAVOURITES, _HISTORY = "\x00favourites\x00", "\x00history\x00"

# One training window in so many is written as if nobody knew its group.
UNGROUPED = 10


class HistoryPrompt:
    """Writes histories as tokens of one backbone and one index.

    Args:
        groups: which soft prefix a history gets.
        picture_dropout: of training rows, the share of items whose picture is not shown.
        spelled: of a hybrid's training rows, the share of items whose codes are all written out.
        feature_dropout: of training rows, the share that is written without times and kinds.
    """

    def __init__(
        self,
        config: PromptConfig,
        backbone: Backbone,
        index: SemanticIndex,
        library: PromptLibrary | None = None,
        *,
        groups: HistoryGroups | None = None,
        picture_dropout: float = 0.0,
        spelled: float = 1.0,
        feature_dropout: float = 0.0,
    ) -> None:
        self.picture_dropout, self.spelled = picture_dropout, spelled
        self.feature_dropout, self.features = feature_dropout, backbone.features
        self.config, self.index, self.groups = config, index, groups or HistoryGroups()
        self.basket_id = backbone.basket_id
        self.item_tokens = backbone.token_ids.cpu().numpy()[index.token_numbers]
        # An item of the history is its semantic ID, and then its picture where the LLM sees.
        self.item_blocks = self.item_tokens
        self.absent = np.zeros(0, np.int64)
        if backbone.pictures is not None:
            shown, self.absent = backbone.picture_ids()
            self.item_blocks = np.concatenate([self.item_tokens, shown], axis=1)
        # Of a hybrid, the history is read item by item, and codes only lead from one to the next.
        self.by_items = backbone.items is not None
        if self.by_items:
            self.item_blocks = item_ids(np.arange(len(index)))[:, None]
        library = library or PromptLibrary()
        self.template_hash = library.hash(config.template)
        bos = backbone.text_tokenizer.bos_token_id
        self._opening = np.array([] if bos is None else [bos], np.int64)
        self.soft = {
            group: np.array(backbone.text_tokenizer.convert_tokens_to_ids(names), np.int64)
            for group, names in backbone.soft.items()
        }
        text = config.instruction
        self.instruction = _ids(backbone, text)
        # Apart, so that the words of the instruction never join with what follows.
        self._end = _ids(backbone, "\n" if text else "")
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
        return _ids(backbone, before), _ids(backbone, between)

    def check_unchanged(self, template_hash: str) -> None:
        """Compares the prompt with the one that a recommender was trained with.

        Raises:
            ConfigError: its text is another now.
        """
        if self.template_hash != template_hash:
            raise ConfigError(
                f"The prompt {self.config.template} has changed since training. Put the old "
                "text back, or train again."
            )

    def tokens(self, history: History) -> list[int]:
        """The prompt after which the next item's semantic ID is generated."""
        cut = max(len(history) - self.config.history, 0)
        header = self._header(history.items[:cut], self.group(history))
        body = self._body(history, cut, len(history), order=None)
        parts = [header, body.tokens]
        if history.baskets is not None:
            parts.append(np.array([self.basket_id]))
        return [int(token) for token in np.concatenate(parts)]

    def group(self, history: History) -> int:
        """The group that the prompt of a history is written for, or ``NO_GROUP``."""
        return self.groups.number(history, max(len(history) - self.config.history, 0))

    def _header(self, earlier: np.ndarray, group: int = NO_GROUP) -> np.ndarray:
        """What stands before the history: opening, soft prefixes, text, favourites."""
        prefixes = [self._opening, *self._soft(group), self.instruction, self._end]
        favourites = favourite_items(earlier, self.config.favourites)
        if not len(favourites):
            return np.concatenate([*prefixes, *self._without])
        before, between = self._with
        middle = (self.item_blocks if self.by_items else self.item_tokens)[favourites].ravel()
        return np.concatenate([*prefixes, before, middle, between])

    def instruction_start(self, group: int) -> int:
        """The place of the instruction's first token in a prompt of this group."""
        return len(self._opening) + sum(map(len, self._soft(group)))

    def _soft(self, group: int) -> list[np.ndarray]:
        if not self.soft:
            return []
        own = [self.soft[self.groups.names[group]]] if group != NO_GROUP else []
        return [self.soft[""], *own]

    def _body(
        self, history: History, start: int, end: int, order: np.random.Generator | None
    ) -> TokenRow:
        items = history.items[start:end]
        baskets = None if history.baskets is None else history.baskets[start:end]
        beside = self._beside(history, order)[start:end]
        if baskets is not None and order is not None:
            # The order within a basket says nothing; a new one each epoch keeps it from being
            # learned.
            shuffled = np.lexsort((order.random(len(items)), baskets))
            items, beside = items[shuffled], beside[shuffled]
        if self.by_items and order is not None:
            return self._chained(items, baskets, beside, order)
        tokens = self.item_blocks[items]
        # Where the item is known: at its last code, or at its only token.
        tokens[:, 0 if self.by_items else self.index.levels - 1] += beside
        if order is not None and self.picture_dropout:
            hidden = order.random(len(items)) < self.picture_dropout
            tokens[hidden, self.index.levels :] = self.absent
        width, levels = tokens.shape[1], self.index.levels
        codes = np.zeros(tokens.shape, np.int64)
        if not self.by_items:
            codes[:, :levels] = self.index.codes[items]
        places = np.arange(width)
        targets = np.broadcast_to(np.where(places < levels, places, NO_TARGET), tokens.shape)
        if baskets is None or not len(items):
            return TokenRow(tokens.ravel(), targets.ravel(), codes.ravel())
        opens = np.append(True, baskets[1:] != baskets[:-1])
        places = np.flatnonzero(opens) * width
        return TokenRow(
            np.insert(tokens.ravel(), places, self.basket_id),
            np.insert(targets.ravel(), places, NO_TARGET),
            np.insert(codes.ravel(), places, 0),
        )

    def _beside(self, history: History, order: np.random.Generator | None) -> np.ndarray:
        """What side features add to the number of each event's token, shape (events,), int64."""
        if self.features is None:
            return np.zeros(len(history), np.int64)
        if order is not None and order.random() < self.feature_dropout:
            history = History(history.items)
        return self.features.numbers(history)

    def _chained(
        self,
        items: np.ndarray,
        baskets: np.ndarray | None,
        beside: np.ndarray,
        draw: np.random.Generator,
    ) -> TokenRow:
        """Training tokens of a hybrid: of each item its codes but the last, then the item whole.

        The item's token stands where its last code would, and is what later items see of it. An
        item that is not spelled out has that token alone, in the place of its first code.
        """
        levels, number = self.index.levels, len(items)
        short = draw.permutation(number)[self.spelled_out(number) :]
        tokens = self.item_tokens[items]
        tokens[:, -1] = self.item_blocks[items, 0] + beside
        code_levels = np.broadcast_to(np.arange(levels), tokens.shape).copy()
        codes = self.index.codes[items].astype(np.int64)
        code_levels[short, -1], codes[short, -1] = 0, codes[short, 0]
        count = np.arange(number)
        grid = np.full(tokens.shape, NO_TARGET, np.int64)
        begins, held = grid.copy(), grid.copy()
        begins[:, 0], held[:, -1] = items, items
        begins[short, -1] = items[short]
        chains = np.where(np.arange(levels) < levels - 1, count[:, None], IN_VIEW)
        opened = np.zeros(number, np.int64)
        opens = np.zeros(number, bool)
        if baskets is not None and number:
            opens = np.append(True, baskets[1:] != baskets[:-1])
            opened = np.cumsum(opens)
        # A code is as far in time as the item that it leads to, and one more for each code before.
        times = (count + opened)[:, None] + np.append(np.arange(levels - 1), 0)
        # A place in front of each item is for the token that opens a basket.
        written = np.ones((number, levels + 1), bool)
        written[:, 0] = opens
        written[short, 1:levels] = False

        def whole(values: np.ndarray, at_basket: int | np.ndarray) -> np.ndarray:
            front = np.broadcast_to(np.asarray(at_basket, np.int64), (number,))[:, None]
            joined: np.ndarray = np.concatenate([front, values.astype(np.int64)], axis=1)[written]
            return joined

        return TokenRow(
            whole(tokens, self.basket_id),
            whole(code_levels, NO_TARGET),
            whole(codes, 0),
            items=ItemPlaces(
                whole(begins, NO_TARGET),
                whole(held, NO_TARGET),
                whole(chains, IN_VIEW),
                whole(times, times[:, 0] - 1),
            ),
        )

    def spelled_out(self, items: int) -> int:
        """Of so many items of a training row, how many have all their codes written out."""
        return round(self.spelled * items)


def _ids(backbone: Backbone, text: str) -> np.ndarray:
    found = backbone.text_tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
    return np.array(found, np.int64)


class HistoryRows:
    """Training rows: each history cut into windows of ``history`` events, counted from its end.

    Args:
        windows: of each history, counted from its end; 0 takes all.

    The line of favourites in front of a window is made of the events before it, as in a prompt. One
    window in ten is written without its group, so that what all groups share learns to stand alone.
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
        self.groups = [
            NO_GROUP if number % UNGROUPED == 0 else prompt.groups.number(sequences[user], start)
            for number, (user, start, _) in enumerate(self.spans)
        ]
        self.headers = [
            prompt._header(sequences[user].items[:start], group)
            for (user, start, _), group in zip(self.spans, self.groups, strict=True)
        ]

    @property
    def token_counts(self) -> np.ndarray:
        counts = np.empty(len(self.spans), np.int64)
        by_items = self.prompt.by_items
        for number, (user, start, end) in enumerate(self.spans):
            baskets = self.sequences[user].baskets
            opened = 0
            if baskets is not None:
                opened = 1 + int((np.diff(baskets[start:end]) != 0).sum())
            if by_items:
                codes = self.prompt.index.levels - 1
                length = end - start + self.prompt.spelled_out(end - start) * codes
            else:
                length = (end - start) * self.prompt.item_blocks.shape[1]
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
            self.groups[number],
            None if body.items is None else body.items.after(len(header)),
        )


def packed_windows(
    prompt: HistoryPrompt, sequences: Sequences, config: GenerativeConfig, windows: int
) -> PackedRows:
    """Histories as packed training rows.

    Args:
        windows: see ``HistoryRows``.
    """
    seed = config.fit.seed
    source = HistoryRows(prompt, sequences, seed=seed, windows=windows)
    return PackedRows(source, row_tokens=config.sft.row_tokens, seed=seed)


def favourite_items(items: np.ndarray, count: int) -> np.ndarray:
    """The items that occur most often, the later one first among equals, shape (≤ count,)."""
    if not count or not len(items):
        return np.zeros(0, np.int64)
    last = {int(item): place for place, item in enumerate(items)}
    counted = Counter(int(item) for item in items)
    ranked = sorted(counted, key=lambda item: (-counted[item], -last[item]))
    return np.array(ranked[:count], np.int64)
