"""The guard: reads a text once and says everything in it that may not be shown, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from weakref import WeakKeyDictionary

from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard.finding import CLEAN, Finding, Verdict
from genrec.creatives.guard.folding import Folded, fold, hidden
from genrec.creatives.guard.grounds import CODE, Grounds
from genrec.creatives.guard.phrases import PhraseFinder
from genrec.creatives.guard.pii import PiiFinder
from genrec.creatives.guard.policy import Policy
from genrec.creatives.guard.profanity import MASKED, ambiguous_words, profane_words
from genrec.creatives.lexicon import Lexicon, Mention, plain_capitals, shipped_terms, words
from genrec.creatives.quantities import quantities

_DESIGNATION = re.compile(r"(?<![\w.&'])[A-Z]{2,6}(?![\w&'])")
_TWO_CAPITALS = re.compile(r"[A-Z][A-Z]")
_SHOWN = 60


class Guard:
    """Checks texts about items against a policy and against what the items say of themselves.

    Args:
        policy: what is forbidden and asked for.
        brands: names of brands that the shop sells; a text may name only its own item's.
        people: names that must not be said, such as the reader's.
    """

    def __init__(
        self, policy: Policy, *, brands: Iterable[str] = (), people: Iterable[str] = ()
    ) -> None:
        self.policy = policy
        terms = dict(shipped_terms())
        names = {name.strip().lower() for name in brands}
        self._brands = frozenset(name for name in names if len(name) > 2 and words(name))
        self._lexicon = Lexicon({**terms, "name": {name: (name,) for name in self._brands}})
        rules = [(rule, phrase) for rule in policy.forbidden for phrase in rule.phrases]
        self._rules = [rule for rule, _ in rules]
        self._profane = profane_words(policy.profanity) if policy.profanity else ()
        self._finder = PhraseFinder([*(phrase for _, phrase in rules), *self._profane])
        self._allowed = PhraseFinder(policy.allowed) if policy.allowed else None
        self._pii = PiiFinder(people) if policy.pii else None
        self._claims = frozenset(policy.check_claims)
        self._called_for = [
            (one, PhraseFinder(one.when) if one.when else None) for one in policy.disclosures
        ]
        self._grounds: WeakKeyDictionary[ItemFacts, Grounds] = WeakKeyDictionary()

    def check(self, text: str, facts: ItemFacts, *, channel: str = "") -> Verdict:
        """The verdict on one text about one item.

        Args:
            channel: whose length and lines the policy asks for; empty for none in particular.
        """
        if not text.strip():
            empty = Finding("empty", (0, len(text)), text, "The text is empty.", "guard/empty")
            return Verdict(ok=False, findings=(empty,))
        grounds = self._grounds.get(facts)
        if grounds is None:
            grounds = self._grounds[facts] = Grounds.of(facts, self._lexicon)
        folded = fold(text)
        found = list(self._unfounded(text, folded, grounds))
        if folded.places is not None:
            found += self._hidden(text)
        if hits := self._finder.find(folded.text):
            found += self._phrases(text, folded, grounds, hits)
        if self._profane and "*" in text:
            found += self._masked(text, folded)
        if self._pii is not None:
            for start, end, what in self._pii.find(folded.text):
                # What the item's own text prints, such as its maker's hotline, is public.
                if folded.text[start:end] not in grounds.text:
                    found.append(_at(text, folded, (start, end), "pii", f"It is {what}.", "pii"))
        if channel or self.policy.say or self.policy.disclosures or self.policy.length:
            found += self._asked_for(text, folded, channel)
        return Verdict.of(found) if found else CLEAN

    def check_many(
        self, pairs: Iterable[tuple[str, ItemFacts]], *, channel: str = ""
    ) -> list[Verdict]:
        """Verdicts on many texts, in order; what an item says is read once."""
        check = self.check
        return [check(text, facts, channel=channel) for text, facts in pairs]

    def _hidden(self, text: str) -> Iterator[Finding]:
        for start, end, what in hidden(text):
            yield Finding("hidden", (start, end), text[start:end], f"It is {what}.", "guard/hidden")

    def _phrases(
        self, text: str, folded: Folded, grounds: Grounds, hits: Sequence[tuple[int, int, int]]
    ) -> Iterator[Finding]:
        for start, end, number in hits:
            span, said = (start, end), folded.text[start:end]
            if said in grounds.words and not said.isalpha():
                continue  # a size or a model of the item's, which digits make look like a word
            if number < len(self._rules):
                rule = self._rules[number]
                if _within_own_name(folded.text, span, grounds) or self._is_allowed(folded, span):
                    continue
                why = rule.why or f"The policy '{self.policy.name}' forbids it."
                if rule.instead:
                    why += f" Say instead: {rule.instead}."
                name = f"policy:{self.policy.name}/{rule.id}"
                yield _at(text, folded, span, "forbidden", why, name)
            else:
                word = self._profane[number - len(self._rules)]
                if word in ambiguous_words() and said in grounds.words:
                    continue
                yield _at(text, folded, span, "profanity", "It is profane.", "profanity/list")

    def _masked(self, text: str, folded: Folded) -> Iterator[Finding]:
        for match in MASKED.finditer(folded.text):
            why = "It is a word with its letters starred out."
            yield _at(text, folded, match.span(), "profanity", why, "profanity/masked")

    def _is_allowed(self, folded: Folded, span: tuple[int, int]) -> bool:
        if self._allowed is None:
            return False
        return any(
            start <= span[0] and span[1] <= end for start, end, _ in self._allowed.find(folded.text)
        )

    def _unfounded(self, text: str, folded: Folded, grounds: Grounds) -> Iterator[Finding]:
        plain = folded.text
        listed = words(plain)
        found = set(listed)
        for mention in self._lexicon.mentions(plain, listed, known=grounds.claims):
            if mention.kind not in self._claims:
                continue
            if mention.kind == "name" and self._is_no_name(text, folded, mention, grounds):
                continue
            denial = "denies" if mention.denied else "says"
            why = f"The item nowhere {denial} '{mention.name}'."
            span = (mention.start, mention.end)
            yield _at(text, folded, span, mention.kind, why, f"grounded/{mention.kind}")
        taken: list[tuple[int, int]] = []
        for said in quantities(plain):
            taken.append((said.start, said.end))
            if grounds.bears(said):
                continue
            kind = "price" if said.currency else "number"
            if kind in self._claims:
                span = (said.start, said.end)
                why = f"The item does not say {_amount_of(said.measure)}this {kind}."
                yield _at(text, folded, span, kind, why, f"grounded/{kind}")
        unknown = found - grounds.words
        if unknown:
            yield from self._designations(text, folded, unknown, taken)

    def _designations(
        self, text: str, folded: Folded, unknown: set[str], taken: list[tuple[int, int]]
    ) -> Iterator[Finding]:
        """Codes and initials that the item does not use: models, standards, seals."""
        codes = {word for word in unknown if not word.isalpha() and CODE.fullmatch(word)}
        if codes and "number" in self._claims:
            for match in re.finditer(r"[a-z\d]++", folded.text):
                inside = any(start <= match.start() < end for start, end in taken)
                if match[0] in codes and not inside:
                    why = "The item does not use this designation."
                    yield _at(text, folded, match.span(), "number", why, "grounded/designation")
        if "certificate" in self._claims and _TWO_CAPITALS.search(text) and not text.isupper():
            for match in _DESIGNATION.finditer(text):
                if match[0].lower() in unknown and match[0] not in plain_capitals():
                    why = "The item does not use these initials."
                    yield Finding(
                        "certificate", match.span(), match[0], why, "grounded/designation"
                    )

    def _is_no_name(self, text: str, folded: Folded, mention: Mention, grounds: Grounds) -> bool:
        """Whether a brand's word is used as any other word, or is one of the item's own."""
        start, end = folded.span(mention.start, mention.end)
        said = text[start:end]
        return said.islower() or grounds.words.issuperset(words(mention.name))

    def _asked_for(self, text: str, folded: Folded, channel: str) -> Iterator[Finding]:
        policy = self.policy
        most = policy.longest(channel)
        if most is not None and len(text) > most:
            why = f"It has {len(text)} characters; {channel or 'a text'} may have {most}."
            yield Finding("length", (most, len(text)), text[most:][:_SHOWN], why, "policy/length")
        asked = list(policy.must_say(channel))
        for one, finder in self._called_for:
            here = not one.channels or channel in one.channels
            if here and (finder is None or finder.find(folded.text)):
                asked.append(one.say)
        flat = " ".join(folded.text.split())
        for line in asked:
            if " ".join(fold(line).text.split()) not in flat:
                yield Finding("missing", (0, 0), "", f"It must say: {line}", "policy/must_say")


def _at(
    text: str, folded: Folded, span: tuple[int, int], kind: str, why: str, rule: str
) -> Finding:
    start, end = folded.span(*span)
    return Finding(kind, (start, end), text[start:end], why, rule)


def _amount_of(measure: str) -> str:
    return f"of its {measure} " if measure else ""


def _within_own_name(plain: str, span: tuple[int, int], grounds: Grounds) -> bool:
    """Whether a phrase is part of the item's own title or brand, written out in the text."""
    start, end = span
    return any(
        at.start() <= start and end <= at.end()
        for name in grounds.own
        for at in re.finditer(re.escape(name), plain)
    )
