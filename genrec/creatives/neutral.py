"""What others wrote, made harmless: as data for a model, and as it is shown to a reader.

Titles, reviews and profiles are data. Nothing in them may open a turn of a chat, close the block
that they stand in, or hide from a reader. Knows no prompt and no model.
"""

from __future__ import annotations

import re
import unicodedata

from genrec.creatives.letters import without_amount

SHOWN_LETTERS = 200
DATA_LETTERS = 600
# Nothing is normalised beyond this, so that a text of a megabyte costs no more than a long one.
READ_LETTERS = 4000

# Chat templates and prompts are made of these: <|im_start|>, [INST], <<SYS>>, {{ }}, ```, ###.
_LOOKALIKES = str.maketrans(
    {"<": "‹", ">": "›", "[": "(", "]": ")", "{": "(", "}": ")", "`": "'", "|": "/", "\\": "/"}
)
_RULES = re.compile(r"([#=*_~-])\1{2,}")
# A word at the beginning that would make the line a turn of a chat.
_ROLE = re.compile(
    r"\b(system|assistant|user|human|developer|tool|instructions?|prompt|ai)\s*[:：]",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"\s+")


def shown(text: str, *, most: int = SHOWN_LETTERS) -> str:
    """A text on one line without anything invisible, cut at a word if it is longer than ``most``.

    Control characters, zero-width ones, marks of direction, tags, private and unassigned code
    points go; letters of every script and emoji stay.
    """
    text = unicodedata.normalize("NFC", text[:READ_LETTERS])
    if not text.isascii() or not text.isprintable():
        text = "".join(map(_visible, text))
    text = _BLANKS.sub(" ", text).strip()
    if len(text) <= most:
        return text
    cut = text[: most + 1].rpartition(" ")[0] or text[:most]
    return without_amount(cut)


def as_data(text: str, *, most: int = DATA_LETTERS) -> str:
    """A text as a model is given it: one line in which no delimiter and no turn can be spelt.

    Compatibility forms are folded first (full-width ``＜`` is ``<``), so that no look-alike comes
    back as the real thing.
    """
    text = unicodedata.normalize("NFKC", shown(text, most=most))
    text = shown(text, most=most).translate(_LOOKALIKES).replace('"', "'")
    text = _RULES.sub(r"\1", text)
    return _ROLE.sub(lambda found: f"{found[1]} -", text)


def _visible(letter: str) -> str:
    if letter in "\n\r\t\v\f\u2028\u2029\x85":
        return " "
    kind = unicodedata.category(letter)
    # A joiner holds families of emoji together; elsewhere it only hides.
    return "" if kind in ("Cc", "Cf", "Cs", "Co", "Cn") else letter
