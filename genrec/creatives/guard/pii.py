"""Personal data in a text: addresses of all kinds, and numbers that identify somebody.

Names of people are found only where the caller gives them (from a profile): a list of first names
would refuse every brand that is called after its founder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_EMAIL = re.compile(
    r"(?<![\w.+\-])[\w.+\-]{1,64}+(?: ?@ ?| ?[\[(]at[\])] ?)[\w\-]{1,63}+(?:\.[\w\-]{1,63}+){1,4}"
)
_PHONE = re.compile(
    r"(?<![\w.\-/])(?:\+\d{1,3}[ .\-]?(?:\(?\d{1,4}\)?[ .\-]?){2,5}\d{2,4}"
    r"|(?:1[ .\-])?\(?\d{3}\)?[ .\-]\d{3}[ .\-]\d{4}|1[ .\-](?:800|888|877|866)[ .\-][a-z\d\-]{7,9}"
    r"|0\d{2,4}[ /\-]\d{3,4}[ \-]?\d{3,4})(?![\w\-/]|\.\d)"
)
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ \-]?\d){12,18}+(?![\w])")
_IBAN = re.compile(r"(?<!\w)[a-z]{2}\d{2}(?: ?[a-z\d]{4}){2,7}(?: ?[a-z\d]{1,3})?(?!\w)")
_STREET = re.compile(
    r"(?<![\w.])\d{1,5}[a-z]? (?:(?:n|s|e|w|north|south|east|west)\.? )?"
    r"[a-z]{3,20}(?: [a-z]{3,20})?"
    r" (?:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|way|terrace"
    r"|parkway|pkwy|highway|hwy)\b(?:\.|,|$| (?=[a-z]+,? [a-z]{2} \d{5}))"
)
_GERMAN_STREET = re.compile(r"\b[a-z]{3,20}(?:strasse|str\.|gasse|weg|platz|allee) \d{1,4}[a-z]?\b")
_DIGIT = re.compile(r"\d")


class PiiFinder:
    """Finds personal data in folded texts.

    Args:
        names: of people who must not be named.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        words = sorted({name.strip().lower() for name in names if len(name.strip()) > 1}, key=len)
        self._names = (
            re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, reversed(words)))})(?!\w)")
            if words
            else None
        )

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and what it is."""
        if "@" in text or ("at" in text and ("[at]" in text or "(at)" in text)):
            yield from ((*match.span(), "an email address") for match in _EMAIL.finditer(text))
        if self._names is not None:
            yield from ((*match.span(), "a person's name") for match in self._names.finditer(text))
        digits = _DIGIT.findall(text)
        if not digits:
            return
        yield from ((*match.span(), "a street address") for match in _STREET.finditer(text))
        if any(part in text for part in ("str", "gasse", "weg", "platz", "allee")):
            german = _GERMAN_STREET.finditer(text)
            yield from ((*match.span(), "a street address") for match in german)
        if len(digits) < 7:
            return
        cards = [match for match in _DIGITS.finditer(text) if luhn(match[0])]
        yield from ((*match.span(), "a card number") for match in cards)
        taken = [match.span() for match in cards]
        for match in _IBAN.finditer(text):
            if iban(match[0]):
                taken.append(match.span())
                yield *match.span(), "a bank account (IBAN)"
        for match in _PHONE.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end in taken):
                yield *match.span(), "a phone number"


def luhn(said: str) -> bool:
    """Whether digits pass the check of card numbers (ISO/IEC 7812-1)."""
    digits = [int(sign) for sign in reversed(said) if sign.isdigit()]
    doubled = (2 * digit - 9 * (digit > 4) for digit in digits[1::2])
    return 13 <= len(digits) <= 19 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def iban(said: str) -> bool:
    """Whether letters and digits pass the check of bank accounts (ISO 13616, mod 97)."""
    plain = "".join(sign for sign in said.lower() if sign.isalnum())
    if not 15 <= len(plain) <= 34 or not plain.isascii():
        return False
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1
