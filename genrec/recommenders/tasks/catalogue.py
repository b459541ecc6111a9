"""Tasks that tie IDs to words and to one another, whoever chose them."""

from __future__ import annotations

import numpy as np

from genrec.recommenders.tasks.task import Task
from genrec.training.packing import TokenRow


class TitleToId(Task):
    """An item's semantic ID from its title."""

    name, prompt, needs = "title_to_id", "tasks/title_to_id", ("titles",)

    @property
    def token_counts(self) -> np.ndarray:
        own = self.written.length + self.material.prompt.index.levels
        return own + self.material.title_lengths[self.material.titled]

    def example(self, number: int) -> TokenRow:
        item = int(self.material.titled[number])
        prompt = self.written.tokens(title=self.material.titles[item])
        return self.material.answers.item(prompt, item)


class IdToTitle(Task):
    """An item's title from its semantic ID."""

    name, prompt, needs = "id_to_title", "tasks/id_to_title", ("titles",)

    @property
    def token_counts(self) -> np.ndarray:
        own = self.written.length + self.material.prompt.index.levels + len(self.material.ending)
        return own + self.material.title_lengths[self.material.titled]

    def example(self, number: int) -> TokenRow:
        material = self.material
        item = int(material.titled[number])
        prompt = self.written.tokens(item=material.prompt.item_tokens[item])
        title = np.concatenate([material.titles[item], material.ending])
        return material.answers.text(prompt, title)


class ItemToItem(Task):
    """What somebody chose right after an item."""

    name, prompt, needs = "item_to_item", "tasks/item_to_item", ("successions",)

    @property
    def token_counts(self) -> np.ndarray:
        own = self.written.length + 2 * self.material.prompt.index.levels
        return np.full(len(self.material.successions), own, np.int64)

    def example(self, number: int) -> TokenRow:
        event = int(self.material.successions[number])
        items = self.material.dataset.sequences.items
        prompt = self.written.tokens(item=self.material.prompt.item_tokens[items[event - 1]])
        return self.material.answers.item(prompt, int(items[event]))
