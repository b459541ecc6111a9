"""A trained recommender answers what it learned beside the next item.

::

    answering = Answering(recommender)
    answering.stars(histories, items)       # expected stars, from the chances of each digit
    answering.chooses(histories, items)     # log-odds of yes against no
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import DynamicCache

from genrec.data.sequences import History, Sequences
from genrec.decoding.beam import left_padded
from genrec.errors import ConfigError, InputError, nearest
from genrec.prompting import PromptLibrary
from genrec.recommenders.base import NO_ITEM, Ranking
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.tasks.histories import NO, YES
from genrec.recommenders.tasks.mix import TASKS
from genrec.recommenders.tasks.opinions import digits
from genrec.recommenders.tasks.written import TaskPrompt, text_tokens

BATCH = 32


class Answering:
    """Asks a recommender by the prompts that it was trained with.

    Raises:
        ConfigError: a prompt is another now.
    """

    def __init__(self, recommender: GenerativeRecommender) -> None:
        self.recommender, self.backbone = recommender, recommender.backbone.eval()
        self.library = PromptLibrary()
        for task, template_hash in recommender.learnt.prompts.items():
            if self.library.hash(TASKS[task].prompt) != template_hash:
                raise ConfigError(
                    f"The prompt {TASKS[task].prompt} has changed since training. Put the old "
                    "text back, or train again."
                )

    def stars(self, histories: Sequences, items: Sequence[int]) -> np.ndarray:
        """Expected stars of each history's user for one item, shape (histories,), float64.

        Raises:
            ConfigError: ratings were not learned.
            InputError: there are more items than histories, or fewer.
        """
        most = self.recommender.learnt.stars
        prompt = self._prompt("rating", stars=most)
        asked = self._about(prompt, histories, items)
        scores = self._log_probabilities(asked, text_tokens(self.backbone, digits(most)))
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(chances @ np.arange(1, most + 1) / chances.sum(axis=1))

    def chooses(self, histories: Sequences, items: Sequence[int]) -> np.ndarray:
        """Log-odds that each history's user chooses one item next, shape (histories,), float64.

        Raises: as of ``stars``.
        """
        asked = self._about(self._prompt("direct"), histories, items)
        scores = self._log_probabilities(asked, text_tokens(self.backbone, [YES, NO]))
        return np.asarray(scores[:, 0] - scores[:, 1])

    def explain(self, history: History, item: int, *, max_tokens: int = 96) -> str:
        """What the history's user would say of an item.

        Raises:
            ConfigError: explanations were not learned.
        """
        prompt = self._prompt("explanation")
        (asked,) = self._about(prompt, Sequences.of([history]), [item])
        return self._continued(asked, max_tokens)

    def headline(self, review: str, *, max_tokens: int = 24) -> str:
        """The headline of a review.

        Raises:
            ConfigError: headlines were not learned.
        """
        most = 4 * self.recommender.config.tasks.task_words
        read = text_tokens(self.backbone, [f" {' '.join(review.split())}"], most=most)
        return self._continued(self._prompt("review_summary").tokens(review=read[0]), max_tokens)

    def title(self, item: int, *, max_tokens: int = 24) -> str:
        """What an item is called, read off its semantic ID.

        Raises:
            ConfigError: titles were not learned.
        """
        ids = self.recommender.prompt.item_tokens[item]
        return self._continued(self._prompt("id_to_title").tokens(item=ids), max_tokens)

    def find(self, titles: Sequence[str], n: int = 10) -> Ranking:
        """The n items whose IDs are likeliest for each title; scores are log-probabilities.

        Raises:
            ConfigError: IDs were not learned from titles.
        """
        prompt, most = self._prompt("title_to_id"), self.recommender.config.tasks.task_words
        read = text_tokens(self.backbone, [f" {title}" for title in titles], most=most)
        return self._ranked([prompt.tokens(title=title) for title in read], n)

    def suited(self, profiles: Sequence[str], n: int = 10) -> Ranking:
        """The n likeliest next items of users of whom a profile in words is all that is known.

        Raises:
            ConfigError: items were not learned from profiles.
        """
        prompt = self._prompt("preference_summary")
        most = 4 * self.recommender.config.tasks.task_words
        read = text_tokens(self.backbone, [f" {words.strip()}" for words in profiles], most=most)
        return self._ranked([prompt.tokens(profile=words) for words in read], n)

    def following(self, items: Sequence[int], n: int = 10) -> Ranking:
        """The n items that are likeliest chosen right after each item.

        Raises:
            ConfigError: items were not learned from items.
        """
        prompt, own = self._prompt("item_to_item"), self.recommender.prompt.item_tokens
        return self._ranked([prompt.tokens(item=own[int(item)]) for item in items], n)

    def _ranked(self, prompts: Sequence[np.ndarray], n: int) -> Ranking:
        """The n likeliest items after each prompt."""
        recommender = self.recommender
        items = np.full((len(prompts), n), NO_ITEM, np.int32)
        scores = np.full((len(prompts), n), -np.inf, np.float32)
        found = recommender.search(
            [prompt.tolist() for prompt in prompts],
            recommender.trie.to(self.backbone.device),
            beams=min(max(recommender.config.decode.beams, n), len(recommender.catalog)),
            config=recommender.config.decode,
        )
        width = min(n, found.items.shape[1])
        items[:, :width] = found.items[:, :width].numpy()
        scores[:, :width] = found.scores[:, :width].numpy()
        return Ranking(items, scores)

    def _prompt(self, task: str, **words: object) -> TaskPrompt:
        learnt = self.recommender.learnt.prompts
        if task not in learnt:
            raise ConfigError(
                f"This recommender has not learned '{task}'; {nearest(task, sorted(learnt))} "
                f"Give it a weight in the recipe's section tasks, such as {task}: 0.2."
            )
        return TaskPrompt(TASKS[task].prompt, self.backbone, self.library, **words)

    def _about(
        self, prompt: TaskPrompt, histories: Sequences, items: Sequence[int]
    ) -> list[np.ndarray]:
        if len(histories) != len(items):
            raise InputError(
                f"There are {len(histories)} histories and {len(items)} items. Give one item for "
                "each history."
            )
        own, tasks = self.recommender.prompt, self.recommender.config.tasks
        titles = text_tokens(
            self.backbone,
            [f" {self.recommender.catalog[int(item)].title}" for item in items],
            most=tasks.task_words,
        )
        asked = []
        for history, item, title in zip(histories, items, titles, strict=True):
            latest = history.items[-tasks.task_history :]
            places = {
                "history": own.item_blocks[latest].ravel(),
                "item": own.item_tokens[int(item)],
                "title": title,
            }
            asked.append(prompt.tokens(**places))
        return asked

    def _log_probabilities(
        self, prompts: Sequence[np.ndarray], answers: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Log-probability of each answer after each prompt, shape (prompts, answers)."""
        scores = np.zeros((len(prompts), len(answers)))
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        single = all(len(answer) == 1 for answer in answers)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            asked = [prompts[row].tolist() for row in rows]
            if single:
                logs = self._logs(asked, 1)[:, 0]
                scores[rows] = logs[:, [int(answer[0]) for answer in answers]]
                continue
            for column, answer in enumerate(answers):
                logs = self._logs([[*row, *answer.tolist()] for row in asked], len(answer) + 1)
                said = logs[:, np.arange(len(answer)), answer]
                scores[rows, column] = said.sum(axis=1)
        return scores

    @torch.inference_mode()
    def _logs(self, rows: Sequence[Sequence[int]], last: int) -> np.ndarray:
        """Log-probabilities of what follows each of the last tokens, shape (rows, last, words)."""
        ids, real, positions = left_padded(rows, self.backbone.device)
        hidden = self.backbone.hidden_states(
            alone=last == 1,
            input_ids=ids,
            attention_mask=real.long(),
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state[:, -last:]
        logs: np.ndarray = self.backbone.text_logits(hidden).log_softmax(-1).cpu().numpy()
        return logs

    @torch.inference_mode()
    def _continued(self, prompt: np.ndarray, max_tokens: int) -> str:
        """The likeliest text after a prompt; no token of an ID can stand in it."""
        backbone, end = self.backbone, self.backbone.text_tokenizer.eos_token_id
        ids = torch.from_numpy(prompt)[None].to(backbone.device)
        cache, written = DynamicCache(), list[int]()
        while len(written) < max_tokens:
            hidden = backbone.hidden_states(
                alone=True, input_ids=ids, past_key_values=cache, use_cache=True
            ).last_hidden_state[:, -1]
            logits = backbone.text_logits(hidden)[0]
            logits[backbone.token_ids] = -torch.inf
            token = int(logits.argmax())
            if token == end:
                break
            written.append(token)
            ids = torch.tensor([[token]], device=backbone.device)
        text = backbone.text_tokenizer.decode(written, skip_special_tokens=True)
        return str(text).strip()
