"""Tasks about what users said: stars, explanations, headlines."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np

from genrec.recommenders.tasks.material import Material
from genrec.recommenders.tasks.reviews import Reviews
from genrec.recommenders.tasks.task import Task
from genrec.recommenders.tasks.written import text_tokens
from genrec.training.packing import TokenRow


class _OfReviews(Task):
    """A task with an example for each of some reviews."""

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        assert material.reviews is not None
        self.reviews = material.reviews
        self._numbers = material.drawn(self.usable(self.reviews))

    @staticmethod
    @abstractmethod
    def usable(reviews: Reviews) -> np.ndarray:
        """Numbers of the reviews that have what the task needs."""

    @cached_property
    def _events(self) -> np.ndarray:
        """Rows of the reviews' events among all events."""
        users = self.reviews.users[self._numbers]
        starts = self.material.dataset.sequences.offsets[users]
        return starts + self.reviews.places[self._numbers]

    def _about(self, number: int) -> np.ndarray:
        """The prompt of a review's user and item."""
        material = self.material
        item = int(self.reviews.items[self._numbers[number]])
        return self.written.tokens(
            history=material.history_tokens(material.before(int(self._events[number]))),
            item=material.prompt.item_tokens[item],
            title=material.titles[item],
        )

    def _prompt_counts(self) -> np.ndarray:
        material = self.material
        chosen = self._numbers
        histories = np.minimum(self.reviews.places[chosen], material.config.task_history)
        items = self.reviews.items[chosen]
        own = self.written.length + material.prompt.index.levels
        block = material.prompt.item_blocks.shape[1]
        return own + histories * block + material.title_lengths[items]

    def _texts(self, texts: list[str], most: int) -> list[np.ndarray]:
        return text_tokens(self.material.backbone, [f" {text}" for text in texts], most=most)


class Rating(_OfReviews):
    """The stars that a user gave, as one digit."""

    name, prompt, needs = "rating", "tasks/rating", ("ratings",)

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self._digits = text_tokens(material.backbone, digits(material.stars))

    @staticmethod
    def words(material: Material) -> dict[str, object]:
        return {"stars": material.stars}

    @staticmethod
    def usable(reviews: Reviews) -> np.ndarray:
        return reviews.rated

    @property
    def token_counts(self) -> np.ndarray:
        return self._prompt_counts() + [len(self._digits[star - 1]) for star in self._stars]

    @cached_property
    def _stars(self) -> np.ndarray:
        given = self.reviews.ratings[self._numbers]
        # Half a star more is a whole one more; numpy would round to the even one.
        return np.clip(np.floor(given + 0.5), 1, self.material.stars).astype(np.int64)

    def example(self, number: int) -> TokenRow:
        digit = self._digits[self._stars[number] - 1]
        return self.material.answers.text(self._about(number), digit)


class Explanation(_OfReviews):
    """What a user said of an item."""

    name, prompt, needs = "explanation", "tasks/explanation", ("reviews",)

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        texts = [self.reviews.texts[n] for n in self._numbers]
        self._said = self._texts(texts, 4 * material.config.task_words)

    @staticmethod
    def usable(reviews: Reviews) -> np.ndarray:
        return reviews.told

    @property
    def token_counts(self) -> np.ndarray:
        said = np.array([len(text) for text in self._said], np.int64)
        return self._prompt_counts() + said + len(self.material.ending)

    def example(self, number: int) -> TokenRow:
        text = np.concatenate([self._said[number], self.material.ending])
        return self.material.answers.text(self._about(number), text)


class ReviewSummary(_OfReviews):
    """The headline that a user gave to a review."""

    name, prompt, needs = "review_summary", "tasks/review_summary", ("headlines",)

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        words = material.config.task_words
        self._read = self._texts([self.reviews.texts[n] for n in self._numbers], 4 * words)
        self._said = self._texts([self.reviews.headlines[n] for n in self._numbers], words)

    @staticmethod
    def usable(reviews: Reviews) -> np.ndarray:
        return reviews.headed

    @property
    def token_counts(self) -> np.ndarray:
        own = self.written.length + len(self.material.ending)
        both = [len(a) + len(b) for a, b in zip(self._read, self._said, strict=True)]
        return own + np.array(both, np.int64)

    def example(self, number: int) -> TokenRow:
        prompt = self.written.tokens(review=self._read[number])
        headline = np.concatenate([self._said[number], self.material.ending])
        return self.material.answers.text(prompt, headline)


def digits(stars: int) -> list[str]:
    """The answers to how many stars, from 1 up."""
    return [str(star) for star in range(1, stars + 1)]
