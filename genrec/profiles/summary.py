"""A profile in a few sentences, each tied to the traits that it rests on.

An LLM may write them; a sentence is kept only if what it says stands in the traits that it cites.
Without an LLM, or when nothing it wrote can be kept, the traits' own sentences are the summary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from genrec.llm.text import Message, TextModel
from genrec.profiles.profile import Trait, UserProfile
from genrec.prompting import PromptLibrary
from genrec.workspace import content_key

PROMPT = "profile/summarise_traits"
TOKENS = 60
"""Of the answer, for each sentence."""

_CITED = re.compile(r"\[\s*(\d+(?:\s*[,;]\s*\d+)*)\s*\]")
# A sentence may cite after its full stop, and within itself.
_NEXT = re.compile(r"(?<=[.!?])\s+(?!\[)|(?<=\])\s+(?=[A-Z])")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NUMBERS = """
zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
million once twice thrice double triple half third quarter dozen
"""
_PLAIN = """
a about above across after also among an and any are around as at away back be been before below
beside between both but buy buying buys by can choice choices choose chooses come comes coming
customer customers day days do does each enjoy enjoys especially favor favors favour favourite
favourites favours find finds for frequent frequently from fond general go goes great habit habits
has have having if in into is it item items its keep keeps kind kinds known like likes loyal made
mainly make makes many more most mostly much new nearly of often on or other others our over own
particularly pay paying pays people person prefer preference preferring prefers price prices product
products purchase purchases quite regular regularly return returns shop shopper shopping shops since
so some stay stays still stick sticks such tend tends than that the their them then there these they
this those through time times to too towards tries try types typically up usual usually very visit
visiting visits was well what when where which while who with within would
"""
_NUMBER_WORDS = frozenset(_NUMBERS.split())
_PLAIN_WORDS = frozenset(_PLAIN.split())
"""What a sentence may say beside the words of its traits: words that name nothing. No *not*, which
turns a trait round, no *all* or *never*, which stretch it, and no *he* or *she*, which guess."""


@dataclass(frozen=True, slots=True)
class SummarySentence:
    """One sentence and the numbers of its traits, from 1."""

    text: str
    traits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A profile in words.

    Attributes:
        dropped: what was written and not kept, each with the reason.
        model: who wrote it; ``template`` for the traits' own sentences.
        prompt_hash: of the prompt; empty for ``template``.
    """

    user: str
    sentences: tuple[SummarySentence, ...]
    dropped: tuple[tuple[str, str], ...] = ()
    model: str = "template"
    prompt_hash: str = ""

    def __str__(self) -> str:
        return " ".join(one.text for one in self.sentences) or "Nothing is known yet."

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @staticmethod
    def parse(values: Mapping[str, Any]) -> Summary:
        """What ``to_dict`` gave.

        Raises:
            KeyError, TypeError: it is not that.
        """
        return Summary(
            values["user"],
            tuple(SummarySentence(s["text"], tuple(s["traits"])) for s in values["sentences"]),
            tuple((text, why) for text, why in values["dropped"]),
            values["model"],
            values["prompt_hash"],
        )


def summarise(
    profile: UserProfile,
    writer: TextModel | None = None,
    *,
    sentences: int = 5,
    prompts: PromptLibrary | None = None,
    seed: int = 0,
) -> Summary:
    """A summary by an LLM whose every sentence holds, else the strongest traits in words.

    Raises:
        ConfigError: the model or its server cannot be used.
    """
    plain = template_summary(profile, sentences=sentences)
    if writer is None or not profile.traits:
        return plain
    library = prompts or PromptLibrary()
    text = library.render(PROMPT, traits=[one.text for one in profile.traits], most=sentences)
    (answer,) = writer.generate([Message("user", text)], max_tokens=TOKENS * sentences, seed=seed)
    kept, dropped = checked(answer, profile.traits)
    if not kept:
        return Summary(profile.user, plain.sentences, tuple(dropped))
    return Summary(
        profile.user, tuple(kept[:sentences]), tuple(dropped), writer.name, library.hash(PROMPT)
    )


def summary_key(profile: UserProfile, writer: str, *, sentences: int, seed: int) -> str:
    """What a summary is made from, as a hash."""
    texts = [one.text for one in profile.traits]
    prompt = PromptLibrary().hash(PROMPT) if writer else ""
    return content_key("profile summary 1", texts, writer, prompt, sentences, seed)


def template_summary(profile: UserProfile, *, sentences: int = 5) -> Summary:
    """The strongest trait of each kind in its own words, then the strongest of the rest."""
    seen: set[str] = set()
    first: list[int] = []
    rest: list[int] = []
    for number, trait in enumerate(profile.traits, 1):
        (rest if trait.kind in seen else first).append(number)
        seen.add(trait.kind)
    chosen = sorted([*first, *rest][:sentences])
    return Summary(
        profile.user,
        tuple(
            SummarySentence(f"{profile.traits[number - 1].text} [{number}]", (number,))
            for number in chosen
        ),
    )


def checked(
    answer: str, traits: Collection[Trait]
) -> tuple[list[SummarySentence], list[tuple[str, str]]]:
    """The sentences that hold, and the others with what is wrong with them."""
    texts = [one.text for one in traits]
    kept: list[SummarySentence] = []
    dropped: list[tuple[str, str]] = []
    normal = unicodedata.normalize("NFKC", answer)
    for said in filter(None, _NEXT.split(" ".join(normal.split()))):
        numbers = [int(n) for group in _CITED.findall(said) for n in re.findall(r"\d+", group)]
        wrong = [n for n in numbers if not 1 <= n <= len(texts)]
        if not numbers:
            dropped.append((said, "cites no trait"))
        elif wrong:
            dropped.append((said, f"cites trait {wrong[0]}, which there is not"))
        elif why := _unfounded(_CITED.sub(" ", said), " ".join(texts[n - 1] for n in numbers)):
            dropped.append((said, why))
        else:
            kept.append(SummarySentence(said, tuple(dict.fromkeys(numbers))))
    return kept, dropped


def _unfounded(said: str, cited: str) -> str:
    """What a sentence says that the traits it cites do not; empty if nothing."""
    numbers = set(_NUMBER.findall(cited))
    for number in _NUMBER.findall(said):
        if number not in numbers:
            return f"says {number}, which the cited traits do not"
    known = {_stem(word) for word in _WORD.findall(cited)}
    for word in _WORD.findall(said):
        lower = word.casefold()
        if lower in _NUMBER_WORDS:
            if lower not in cited.casefold().split():
                return f"says '{word}', which the cited traits do not"
        elif lower not in _PLAIN_WORDS and _stem(word) not in known:
            return f"says '{word}', which the cited traits do not"
    return ""


def _stem(word: str) -> str:
    """A word without the endings of number, so that ``yogurts`` is ``yogurt``."""
    lower = word.casefold()
    return lower[:-1] if len(lower) > 3 and lower.endswith("s") else lower
