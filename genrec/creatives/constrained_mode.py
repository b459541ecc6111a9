"""Constrained mode: somebody else chooses the words, but only among sentences of the plan."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from genrec.creatives.channels import Field
from genrec.creatives.copy import CopyRequest
from genrec.creatives.neutral import as_data
from genrec.creatives.plan import Draft, Option, Plan
from genrec.llm.text import Message, TextModel
from genrec.prompting import PromptLibrary

TEMPLATE = "copy/choose_words"
# A model weighs at most so many options at a place: the weightiest statements in their wordings.
OPTIONS = 12


@dataclass
class ModelChooser:
    """A text model that says what comes next.

    Attributes:
        asked: how often the model was asked.
    """

    writer: TextModel
    library: PromptLibrary
    request: CopyRequest
    asked: int = field(default=0, init=False)

    def __call__(self, place: Field, begun: str, options: Sequence[Option]) -> int:
        texts = list(dict.fromkeys(one.text for one in options[:OPTIONS]))
        self.asked += 1
        question = self.library.render(
            TEMPLATE,
            item=as_data(self.request.item.title, most=150),
            place=place.name.replace("_", " "),
            channel=self.request.channel,
            voice=as_data(self.request.brief.voice, most=200) or self.request.tone,
        )
        start = f"{begun} " if begun else ""
        chosen = self.writer.choose([Message("user", question)], texts, begun=start)
        return next(row for row, one in enumerate(options) if one.text == texts[chosen])


@dataclass(frozen=True)
class SeededChooser:
    """Draws among the options, the weightier ones more often; what a model could choose at most.

    The seed and what is asked decide, so that equal requests give equal texts.
    """

    seed: int = 0

    def __call__(self, place: Field, begun: str, options: Sequence[Option]) -> int:
        said = "\0".join((str(self.seed), place.name, begun, *(one.text for one in options)))
        digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest()
        share = int.from_bytes(digest[:6], "big") / 2**48
        weights = [1.0 / (row + 1) for row in range(len(options))]
        reached = 0.0
        for row, weight in enumerate(weights):
            reached += weight / sum(weights)
            if share < reached:
                return row
        return len(options) - 1


def constrained(plan: Plan, chooser: ModelChooser | SeededChooser) -> Draft:
    """A draft whose words the chooser took from the plan's lists."""
    return replace(plan, wide=True).written(chooser)
