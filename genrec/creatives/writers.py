"""Opens the copywriter that a campaign asks for, and counts what its model reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata

from genrec.creatives.campaign import Writing
from genrec.creatives.copy import FREE, RANK, Copy, CopyRequest
from genrec.creatives.copywriter import Copywriter
from genrec.creatives.free_mode import LANGUAGES as FREE_LANGUAGES
from genrec.creatives.guard import Guard, Policy
from genrec.creatives.phrasebook import languages
from genrec.llm.text import TEXT_MODELS, Message, Sampling, TextModel

# Letters of a token, where nobody counts them: English in the vocabularies in use.
_LETTERS = 4
_SERVER = "openai:"


class MeteredText(TextModel):
    """A text model that counts what it reads and writes, as letters over four."""

    def __init__(self, model: TextModel) -> None:
        self.model, self.name, self.adapter = model, model.name, model.adapter
        self.read = self.written = 0

    def _answer(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[list[str]]:
        found = self.model._answer(conversations, sampling)
        for messages, answers in zip(conversations, found, strict=True):
            self._count(messages, answers)
        return found

    def _stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        pieces = []
        for piece in self.model._stream(messages, sampling):
            pieces.append(piece)
            yield piece
        self._count(messages, ["".join(pieces)])

    def _choose(self, messages: Sequence[Message], choices: Sequence[str], begun: str) -> int:
        found = self.model._choose(messages, choices, begun)
        self._count(messages, [choices[found]])
        return found

    def _count(self, messages: Sequence[Message], answers: Sequence[str]) -> None:
        self.read += sum(len(message.content) for message in messages)
        self.written += sum(map(len, answers))

    @property
    def tokens(self) -> tuple[int, int]:
        """Read and written so far."""
        return -(-self.read // _LETTERS), -(-self.written // _LETTERS)


class CampaignWriter:
    """A ``Copywriter`` with all that its texts depend on."""

    def __init__(self, copywriter: Copywriter, meter: MeteredText | None = None) -> None:
        self.copywriter, self.meter = copywriter, meter

    @property
    def identity(self) -> Mapping[str, str]:
        """Mode, model, prompts, phrases and policy, and the version of genrec."""
        return {**self.copywriter.identity, "genrec": metadata.version("genrec")}

    @property
    def tokens(self) -> tuple[int, int]:
        """Read and written so far; none without a text model."""
        return self.meter.tokens if self.meter else (0, 0)

    def write(self, requests: Sequence[CopyRequest]) -> list[Copy]:
        """The best text for each request, in their order."""
        return self.copywriter.write(requests)


def languages_of(mode: str) -> list[str]:
    """In which a way of writing can write."""
    return sorted({*languages(), *(FREE_LANGUAGES if mode == FREE else ())})


def open_writer(asked: Writing) -> CampaignWriter:
    """The copywriter of a campaign.

    Raises:
        ConfigError: there is no such policy, or the model cannot be used.
        MissingExtra: the model's packages are not installed.
    """
    guard = Guard(Policy.load(asked.policy))
    meter = MeteredText(_model(asked)) if asked.model and asked.mode != RANK else None
    copywriter = Copywriter(asked.mode, meter, guard, candidates=asked.candidates)
    return CampaignWriter(copywriter, meter)


def _model(asked: Writing) -> TextModel:
    name = asked.model or ""
    served = name.startswith(_SERVER)
    make: Callable[..., TextModel] = TEXT_MODELS.load("openai" if served else "transformers")
    options = {"adapter": asked.adapter} if asked.adapter else {}
    return make(name.removeprefix(_SERVER), **options)
