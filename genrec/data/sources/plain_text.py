"""Text as people read it, of text that was made for web pages."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_TAGS = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def without_tags(text: str) -> str:
    """The text with a blank for every tag and comment."""
    return _TAGS.sub(" ", text)


def plain_text(parts: object, *, most: int = 0) -> str:
    """One line of text of a string or of a list of them; empty for anything else.

    Args:
        most: characters at most, cut at a blank; 0 keeps all.
    """
    if isinstance(parts, str):
        parts = [parts]
    if not isinstance(parts, Iterable) or isinstance(parts, dict):
        return ""
    text = " ".join(part for part in parts if isinstance(part, str))
    line = " ".join(without_tags(html.unescape(text)).split())
    if most and len(line) > most:
        line = line[:most].rpartition(" ")[0] or line[:most]
    return line
