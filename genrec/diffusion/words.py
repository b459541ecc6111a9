"""Prompts of backgrounds, with and without a user's words. Knows profiles by what they offer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from genrec.prompting import PromptLibrary

PLAIN, PERSONAL = "image/show_scene", "image/show_scene_to_somebody"
KINDS = ("like", "favourite", "loyalty")
_BREAKING = re.compile(r"[\s,;:|<>(){}\[\]\\]+")


class HasTraits(Protocol):
    """What is asked of a profile: its traits of some kinds, strongest first, each with a value."""

    def of(self, *kinds: str) -> Sequence[Any]: ...


def liked_words(profile: HasTraits, *, most: int = 4, longest: int = 40) -> list[str]:
    """Words for what somebody likes, strongest first, each once.

    They are data out of a shop's tables: signs that weigh or divide prompts are taken out.

    Args:
        most: words at most; a text encoder reads 77 tokens in all.
        longest: characters of one.
    """
    found: dict[str, None] = {}
    for trait in profile.of(*KINDS):
        word = _BREAKING.sub(" ", str(trait.value)).strip()
        if word:
            found.setdefault(word[:longest].rstrip().lower())
    return list(found)[:most]


def scene_prompt(prompts: PromptLibrary, scene: str) -> str:
    """The prompt that is the same for everybody."""
    return prompts.render(PLAIN, scene=scene)


def personal_prompt(
    prompts: PromptLibrary, scene: str, profile: HasTraits, *, most: int = 4
) -> str:
    """The prompt with a user's words in it; empty where the profile says nothing of likes."""
    likes = liked_words(profile, most=most)
    return prompts.render(PERSONAL, scene=scene, likes=likes) if likes else ""
