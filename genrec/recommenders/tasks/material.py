"""What tasks are made of, and what a data set lacks for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from genrec.data.dataset import Dataset
from genrec.llm.backbone import Backbone
from genrec.prompting import PromptLibrary
from genrec.recommenders.history_prompt import HistoryPrompt
from genrec.recommenders.options import TaskConfig
from genrec.recommenders.tasks.reviews import Reviews
from genrec.recommenders.tasks.written import Answers, TaskPrompt, text_tokens

# A task is made of so many of a data set's events at most, drawn by the seed.
MOST_EXAMPLES = 200_000
STARS = 9


@dataclass(frozen=True)
class Material:
    """A data set to train on, and how its items and words are written as tokens.

    Attributes:
        dataset: what may be trained on.
        prompt: of the recommender that learns.
        summaries: what is said in words of what users did before their last event, by user.
        seed: of all draws.
    """

    dataset: Dataset
    backbone: Backbone
    prompt: HistoryPrompt
    config: TaskConfig
    summaries: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    library: PromptLibrary = field(default_factory=PromptLibrary)

    def written(self, name: str, **words: object) -> TaskPrompt:
        """The prompt of a task; ``words`` stand in it as they are."""
        return TaskPrompt(name, self.backbone, self.library, **words)

    @cached_property
    def answers(self) -> Answers:
        """Makes rows."""
        return Answers(self.prompt.index, self.prompt.item_tokens, self.prompt.by_items)

    @cached_property
    def titled(self) -> np.ndarray:
        """Positions of items that have a title, not their id in its place."""
        table = self.dataset.catalog.table
        return np.flatnonzero((table["title"] != table["item_id"]).to_numpy())

    @cached_property
    def titles(self) -> list[np.ndarray]:
        """Tokens of every item's title, at most ``task_words``."""
        texts = [f" {title}" for title in self.dataset.catalog.table["title"]]
        return text_tokens(self.backbone, texts, most=self.config.task_words)

    @cached_property
    def title_lengths(self) -> np.ndarray:
        """Tokens of every item's title, shape (items,)."""
        return np.array([len(title) for title in self.titles], np.int64)

    @cached_property
    def reviews(self) -> Reviews | None:
        """What was said of the events."""
        return Reviews.of(self.dataset, self.dataset.sequences)

    @cached_property
    def stars(self) -> int:
        """The most stars that anybody gave, rounded; 0 where nobody did."""
        reviews = self.reviews
        if reviews is None or not len(reviews.rated):
            return 0
        return int(np.ceil(reviews.ratings[reviews.rated].max()))

    @cached_property
    def ending(self) -> np.ndarray:
        """What a text ends with."""
        end = self.backbone.text_tokenizer.eos_token_id
        return np.array([] if end is None else [end], np.int64)

    @cached_property
    def successions(self) -> np.ndarray:
        """Events that something came before, by the seed: their rows among all events."""
        sequences = self.dataset.sequences
        first = np.zeros(len(sequences.items), bool)
        first[sequences.offsets[:-1][sequences.lengths > 0]] = True
        return self.drawn(np.flatnonzero(~first))

    @cached_property
    def owners(self) -> np.ndarray:
        """The user of each event, shape (events,)."""
        return np.repeat(np.arange(len(self.dataset.sequences)), self.dataset.sequences.lengths)

    def drawn(self, examples: np.ndarray) -> np.ndarray:
        """All examples, or ``MOST_EXAMPLES`` of them in their order."""
        if len(examples) <= MOST_EXAMPLES:
            return examples
        rows = np.random.default_rng(self.seed).permutation(len(examples))[:MOST_EXAMPLES]
        return examples[np.sort(rows)]

    def before(self, event: int) -> np.ndarray:
        """The last ``task_history`` items before an event, oldest first."""
        sequences = self.dataset.sequences
        start = int(sequences.offsets[self.owners[event]])
        return sequences.items[max(start, event - self.config.task_history) : event]

    def history_tokens(self, items: np.ndarray) -> np.ndarray:
        """Items as they stand in histories."""
        return self.prompt.item_blocks[items].ravel()

    def lacks(self, need: str) -> str:
        """Why a task that needs it cannot be made; empty when it is there."""
        reviews = self.reviews
        if need == "titles" and not len(self.titled):
            return "no item has a title"
        if need == "profiles" and not self.summaries:
            return "no profile in words was given"
        if need == "successions" and not len(self.successions):
            return "no user has two events"
        if need in ("ratings", "reviews", "headlines"):
            if reviews is None:
                return "the data have no table of reviews"
            if need == "ratings" and not len(reviews.rated):
                return "no event was rated"
            if need == "ratings" and not 1 <= self.stars <= STARS:
                return f"ratings reach {self.stars}, and stars are one digit, at most {STARS}"
            if need == "reviews" and not len(reviews.told):
                return "no review has a text"
            if need == "headlines" and not len(reviews.headed):
                return "no review has a headline"
        return ""

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what is used beside the events."""
        digest = hashlib.sha256(repr(sorted(self.summaries.items())).encode())
        if (reviews := self.reviews) is not None:
            for values in (reviews.users, reviews.places, reviews.ratings):
                digest.update(values.tobytes())
            digest.update(repr((reviews.headlines, reviews.texts)).encode("utf-8", "replace"))
        return digest.hexdigest()[:16]
