r"""How long a text is, as each platform counts, and how it is cut without breaking a letter.

============ =====================================================================================
``graphemes`` letters as a reader sees them; an emoji with its skin tone is one
``utf16``     units of UTF-16, as JavaScript and most web forms count; most emoji are two
``google``    Google Ads: letters of double width (Chinese, Japanese, Korean, full-width) are two
``x``         X (Twitter): Latin, Greek, Cyrillic, Hebrew, Arabic and Indic letters are one, all
              others and every emoji two, a link always 23 (configuration v3 of twitter-text)
``sms``       units of one message: GSM 7-bit letters are one (``€ [ ] { } ^ ~ | \`` two); a letter
              outside GSM makes it a message of 70 UTF-16 units, counted as 160/70 each; hard
              blanks are sent as plain ones
============ =====================================================================================
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable

import regex

_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3")
_LINK = re.compile(r"https?://\S+")
_X_NARROW = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
_X_LINK = 23
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# What a text that was cut must not end with.
_LOOSE = " ,;:-–—|(/&+"
_GSM_TWO = frozenset("^{}\\[~]|€\f")


def graphemes(text: str) -> list[str]:
    """The letters of a text as a reader sees them."""
    return list(text) if text.isascii() else _GRAPHEME.findall(text)


def _count_graphemes(text: str) -> int:
    return len(text) if text.isascii() else len(_GRAPHEME.findall(text))


def _count_utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _count_google(text: str) -> int:
    if text.isascii():
        return len(text)
    text = unicodedata.normalize("NFC", text)
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _count_x(text: str) -> int:
    text = unicodedata.normalize("NFC", text)
    plain, links = _LINK.subn("", text)
    weight = 0
    for one in graphemes(plain):
        if len(one) > 0 and not one.isascii() and _EMOJI.search(one):
            weight += 2
            continue
        for letter in one:
            narrow = any(low <= ord(letter) <= high for low, high in _X_NARROW)
            weight += 1 if narrow else 2
    return weight + links * _X_LINK


def with_plain_blanks(text: str) -> str:
    """Without the blanks that keep a number and its unit on one line."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def _count_sms(text: str) -> int:
    text = with_plain_blanks(text)
    if all(letter in _GSM or letter in _GSM_TWO for letter in text):
        return sum(2 if letter in _GSM_TWO else 1 for letter in text)
    return math.ceil(_count_utf16(text) * 160 / 70)


COUNTS: dict[str, Callable[[str], int]] = {
    "graphemes": _count_graphemes,
    "utf16": _count_utf16,
    "google": _count_google,
    "x": _count_x,
    "sms": _count_sms,
}


def cut(text: str, most: int, count: Callable[[str], int]) -> str:
    """The text, or its beginning up to a word's end that is at most ``most`` long."""
    if count(text) <= most:
        return text
    letters = graphemes(text[: 4 * most + 4])
    low, high = 0, len(letters)
    while low < high:
        middle = (low + high + 1) // 2
        if count("".join(letters[:middle])) <= most:
            low = middle
        else:
            high = middle - 1
    begun = "".join(letters[:low])
    ends_a_word = low == len(letters) or letters[low].isspace()
    if not ends_a_word and " " in begun.strip():
        begun = begun.rpartition(" ")[0]
    return without_amount(begun).rstrip(_LOOSE)


def without_amount(begun: str) -> str:
    """The beginning of a text without a number at its end, whose unit may be what was cut off."""
    kept = begun.rstrip(_LOOSE)
    while " " in kept and _counts(kept.rpartition(" ")[2]):
        kept = kept.rpartition(" ")[0].rstrip(_LOOSE)
    return kept


def _counts(word: str) -> bool:
    """Whether a word is a number or stands between two, as in 12 x 3 oz."""
    return word in ("x", "×") or any(map(str.isdigit, word))
