"""What profiles say in words of users before their last event, for an LLM to learn from."""

from __future__ import annotations

import re

from genrec.data.dataset import Dataset
from genrec.profiles.build import build_profiles
from genrec.profiles.options import ProfileConfig
from genrec.profiles.summary import template_summary

_CITED = re.compile(r"\s*\[\d+\]")


def profile_words(dataset: Dataset, config: ProfileConfig) -> dict[str, str]:
    """A few sentences on each user with traits, from all events but the user's last.

    Args:
        config: of the profiles; what is too sensitive to be a trait is not said here either.
    """
    before, _ = dataset.split("last-out")
    profiles = build_profiles(before, config)
    words: dict[str, str] = {}
    for user in dataset.users:
        profile = profiles[str(user)]
        if profile.traits:
            words[str(user)] = _CITED.sub("", str(template_summary(profile)))
    return words
