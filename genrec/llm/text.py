"""One interface for everything that writes text: a local model or a server, the same call.

::

    writer = TEXT_MODELS.load("transformers")("smollm2-135m")
    writer.generate([Message("user", "Name three fruits.")], max_tokens=40)

Knows messages and sampling; knows nothing of prompts, items or users. Loads nothing heavy.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from genrec.bounds import SEED, outside
from genrec.errors import InputError, nearest
from genrec.registry import Entry, Registry

ROLES = ("system", "user", "assistant")

TEXT_MODELS = Registry(
    "text model",
    {
        "transformers": Entry(
            "genrec.llm.text_transformers:TransformersText",
            "llm",
            "a chat model of transformers in this process, by hub name or folder",
        ),
        "openai": Entry(
            "genrec.llm.text_openai:OpenAIText",
            "openai",
            "any server that speaks OpenAI's protocol: OpenAI, vLLM, llama.cpp, Ollama, …",
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: ``system``, ``user`` or ``assistant``.
    """

    role: str
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(f"No role '{self.role}' in a message; {nearest(self.role, ROLES)}")
        if not isinstance(self.content, str):
            raise InputError(
                f"A message of {self.role} holds {type(self.content).__name__}, not text."
            )


@dataclass(frozen=True, slots=True)
class Sampling:
    """How text is drawn.

    Attributes:
        max_tokens: most tokens of one answer.
        temperature: 0 always takes the likeliest token.
        seed: of the draw; equal seeds give equal text, as far as a server keeps to it.
        stop: texts before which an answer ends; they are not part of it.
        n: answers to one conversation.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    n: int = 1

    def __post_init__(self) -> None:
        problems = outside(
            self, max_tokens="[1, inf)", temperature="[0, inf)", seed=SEED, n="[1, inf)"
        )
        if "" in self.stop:
            problems.append("stop holds an empty text")
        if problems:
            raise InputError("Text cannot be generated like this.", problems)


class TextModel(ABC):
    """Writes answers to conversations. Subclasses implement ``_answer`` and ``_stream``.

    Attributes:
        name: of the model, as its maker or server calls it.
        adapter: folder of the adapter on it; empty without one.
    """

    name: str
    adapter: str = ""

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        n: int = 1,
    ) -> list[str]:
        """``n`` answers to one conversation; at temperature 0 they are all the same.

        Args: as of ``Sampling``.

        Raises:
            InputError: no messages, an unknown role, or a sampling option out of its range.
            ConfigError: the model or its server cannot be used; says what to do.
        """
        sampling = Sampling(max_tokens, temperature, seed, _texts(stop), n)
        return self._answer([_checked(messages)], sampling)[0]

    def generate_many(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        n: int = 1,
    ) -> list[list[str]]:
        """The answers to each conversation, in their order; each as if it were asked alone.

        Raises:
            InputError, ConfigError: as of ``generate``.
        """
        sampling = Sampling(max_tokens, temperature, seed, _texts(stop), n)
        checked = [_checked(messages) for messages in conversations]
        return self._answer(checked, sampling) if checked else []

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """The pieces of one answer as they come; joined, they are the first of ``generate``.

        Raises:
            InputError, ConfigError: as of ``generate``; those of the input at once.
        """
        sampling = Sampling(max_tokens, temperature, seed, _texts(stop))
        return self._stream(_checked(messages), sampling)

    def choose(
        self, messages: Sequence[Message], choices: Sequence[str], *, begun: str = ""
    ) -> int:
        """The position of the one text among ``choices`` that the model would rather say.

        Nothing else can come back: the model weighs the choices, it does not write.

        Args:
            choices: what may be said, at least one text, all different.
            begun: what the answer has said so far; a choice goes on from there.

        Raises:
            InputError: there is no choice, or one twice.
            ConfigError: the server cannot be held to a list.
        """
        _check_choices(choices)
        if len(choices) == 1:
            return 0
        return self._choose(_checked(messages), choices, begun)

    def weigh(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        """The log-probability of each text as the beginning of the answer.

        Returns:
            ``None`` where the model does not tell.

        Raises:
            InputError: there is no choice, or one twice.
        """
        _check_choices(choices)
        return self._weigh(_checked(messages), choices)

    def _weigh(self, _messages: Sequence[Message], _choices: Sequence[str]) -> list[float] | None:
        """As ``weigh``; models that can tell do."""
        return None

    def _choose(self, messages: Sequence[Message], choices: Sequence[str], begun: str) -> int:
        """Asks, and takes the choice that is most like the answer; models that can weigh do."""
        most = max(len(one.encode()) for one in choices) + 8
        asked = [*messages, choice_question(choices, begun)]
        said = self._answer([asked], Sampling(max_tokens=most))[0][0]
        likeness = [SequenceMatcher(None, said, one).ratio() for one in choices]
        return max(range(len(choices)), key=likeness.__getitem__)

    @abstractmethod
    def _answer(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[list[str]]:
        """``sampling.n`` answers to each of at least one conversation."""

    @abstractmethod
    def _stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        """The pieces of one answer; none is empty."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def choice_question(choices: Sequence[str], begun: str) -> Message:
    """Asks a model for one of several texts, to go on from what has been said."""
    said = f"The text so far:\n{begun}\n\n" if begun else ""
    listed = json.dumps(list(choices), ensure_ascii=False)
    return Message("user", f"{said}Choose how it goes on. Answer with one of these: {listed}")


def open_text_model(name: str) -> TextModel:
    """A text model by name: ``smollm2-135m``, a folder, ``openai:NAME``.

    Raises:
        ConfigError: there is no such model.
        MissingExtra: its packages are not installed.
    """
    kind, found, rest = name.partition(":")
    if not found or kind not in TEXT_MODELS.names():
        kind, rest = "transformers", name
    model: TextModel = TEXT_MODELS.load(kind)(rest)
    return model


def before_stop(text: str, stop: Sequence[str]) -> str:
    """The text before the first of the stop texts."""
    ends = [end for one in stop if (end := text.find(one)) >= 0]
    return text[: min(ends)] if ends else text


def _check_choices(choices: Sequence[str]) -> None:
    if not choices or len(set(choices)) < len(choices):
        raise InputError(
            f"A model can only choose among different texts; it was given {len(choices)}, of "
            f"which {len(set(choices))} differ."
        )


def _texts(stop: Sequence[str]) -> tuple[str, ...]:
    # A text is a sequence of letters, each of which would stop the answer.
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _checked(messages: Sequence[Message]) -> Sequence[Message]:
    if not messages:
        raise InputError("There are no messages. Give at least one, such as Message('user', '…').")
    return messages
