"""Tasks about what comes next: from IDs and titles mixed, from a profile, and by yes or no."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from genrec.recommenders.tasks.material import Material
from genrec.recommenders.tasks.task import Task
from genrec.recommenders.tasks.written import text_tokens
from genrec.training.packing import TokenRow

YES, NO = " yes", " no"
# Bits of a drawn number that say which items of a history stand as titles.
_BITS = 32


class MixedHistory(Task):
    """The next item, where each item of the history stands as ID or title by the toss of a coin."""

    name, prompt = "mixed_history", "tasks/mixed_history"
    needs = ("titles", "successions")

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        generator = np.random.default_rng((material.seed, 1))
        size = len(material.successions)
        self._coins = generator.integers(0, 1 << _BITS, size, dtype=np.int64)
        self._blocks = material.prompt.item_blocks

    @cached_property
    def token_counts(self) -> np.ndarray:
        material = self.material
        own = self.written.length + material.prompt.index.levels
        sequences, events = material.dataset.sequences, material.successions
        # Titles and IDs of the events that stand k places before, all examples at once.
        counts = np.full(len(events), own, np.int64)
        starts = sequences.offsets[:-1][material.owners[events]]
        for back in range(1, material.config.task_history + 1):
            there = events - back >= starts
            items = sequences.items[np.maximum(events - back, 0)]
            lengths = np.where(
                self._as_title(self._coins, back), material.title_lengths[items], self._block
            )
            counts += np.where(there, lengths, 0)
        return counts

    @property
    def _block(self) -> int:
        return int(self._blocks.shape[1])

    @staticmethod
    def _as_title(coins: np.ndarray, back: int) -> np.ndarray:
        return np.asarray(coins >> ((back - 1) % _BITS) & 1, bool)

    def example(self, number: int) -> TokenRow:
        material = self.material
        event = int(material.successions[number])
        history = material.before(event)
        coin = self._coins[number : number + 1]
        parts = [
            material.titles[item] if self._as_title(coin, len(history) - place)[0] else block
            for place, (item, block) in enumerate(
                zip(history.tolist(), self._blocks[history], strict=True)
            )
        ]
        prompt = self.written.tokens(history=np.concatenate(parts))
        return material.answers.item(prompt, int(material.dataset.sequences.items[event]))


class PreferenceSummary(Task):
    """The last item of a user, from what a profile says of all before it."""

    name, prompt = "preference_summary", "tasks/preference_summary"
    needs = ("profiles", "successions")

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        sequences = material.dataset.sequences
        known = [
            row
            for row, user in enumerate(sequences.users)
            if sequences.lengths[row] > 1 and material.summaries.get(str(user), "").strip()
        ]
        self._targets = sequences.items[sequences.offsets[1:][known] - 1]
        texts = [f" {material.summaries[str(sequences.users[row])].strip()}" for row in known]
        most = 4 * material.config.task_words
        self._profiles = text_tokens(material.backbone, texts, most=most)

    @property
    def token_counts(self) -> np.ndarray:
        own = self.written.length + self.material.prompt.index.levels
        return own + np.array([len(profile) for profile in self._profiles], np.int64)

    def example(self, number: int) -> TokenRow:
        prompt = self.written.tokens(profile=self._profiles[number])
        return self.material.answers.item(prompt, int(self._targets[number]))


class Direct(Task):
    """Yes for the item that came next, and no for one that somebody else chose.

    Even examples are the former; the others are drawn anew in every epoch, as often as they are
    chosen, so that being well-liked alone decides nothing.
    """

    name, prompt, needs = "direct", "tasks/direct", ("successions",)

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self._said = text_tokens(material.backbone, [YES, NO])

    @cached_property
    def token_counts(self) -> np.ndarray:
        material = self.material
        events = material.successions
        starts = material.dataset.sequences.offsets[:-1][material.owners[events]]
        histories = np.minimum(events - starts, material.config.task_history)
        own = self.written.length + material.prompt.index.levels
        prompts = own + histories * material.prompt.item_blocks.shape[1]
        return (prompts[:, None] + [len(said) for said in self._said]).ravel()

    def example(self, number: int) -> TokenRow:
        return self.row(number, 0)

    def row(self, number: int, epoch: int, /) -> TokenRow:
        material = self.material
        event = int(material.successions[number // 2])
        items = material.dataset.sequences.items
        item = int(items[event])
        if number % 2:
            item = other_choice(items, item, np.random.default_rng((material.seed, epoch, number)))
        prompt = self.written.tokens(
            history=material.history_tokens(material.before(event)),
            item=material.prompt.item_tokens[item],
        )
        return material.answers.text(prompt, self._said[number % 2])


def other_choice(items: np.ndarray, item: int, generator: np.random.Generator) -> int:
    """An item that is not this one, drawn among all events; the same if there is no other."""
    for _ in range(20):
        drawn = int(items[generator.integers(len(items))])
        if drawn != item:
            return drawn
    others = np.unique(items[items != item])
    return int(generator.choice(others)) if len(others) else item
