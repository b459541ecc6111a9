"""A channel's fields as a grammar: in each place a list of true sentences, and nothing else.

Rank mode takes the weightiest of each list; in constrained mode a text model chooses. Whoever
chooses, the text is made of these sentences, so nothing can be invented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from genrec.creatives.channels import Channel, Field
from genrec.creatives.copy import Statement
from genrec.creatives.neutral import shown
from genrec.creatives.phrasebook import Phrasebook
from genrec.creatives.statements import NAME_LETTERS, Sayable, content_words, short_name

_NAMING = ("name", "name_price")
# Of each of these groups a text says one: the others would repeat it.
_ONCE = (
    _NAMING,
    ("price", "name_price"),
    ("own_brand", "often_own_brand"),
    ("category",),
    ("bought",),
)
# From this length on a field has room for a title with everything in it.
_WHOLE_TITLE = 100
# Statements about the shopper in one text, never two in a field: the next sounds like a file.
_PERSONAL = 2


@dataclass(frozen=True, slots=True)
class Option:
    """One sentence that may come next in a field."""

    text: str
    said: Sayable | None = None


# Which of the options comes next: (field, text so far, options) -> its place among them.
Choose = Callable[[Field, str, Sequence[Option]], int]


@dataclass
class Draft:
    """Fields under way."""

    texts: dict[str, str] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    used: list[tuple[str, Sayable]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, option: Option) -> None:
        before = self.texts.get(name, "")
        self.texts[name] = f"{before} {option.text}" if before else option.text
        if option.said is not None:
            self.used.append((name, option.said))
            self.statements.append(option.said.said(option.text))


@dataclass(frozen=True)
class Plan:
    """What may be said in a channel about one item to one shopper.

    Attributes:
        sayings: all true statements.
        must_say: sentences that every text ends with.
        action: what to do now, in the order of preference.
        wide: whether all wordings are offered, or the tone's own alone.
    """

    channel: Channel
    book: Phrasebook
    title: str
    sayings: Sequence[Sayable]
    must_say: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    wide: bool = False

    def written(self, choose: Choose) -> Draft:
        """A draft whose every sentence ``choose`` took from a list."""
        draft = Draft()
        for one in self.channel.fields:
            getattr(self, f"_{one.role}")(one, draft, choose)
            if one.name in draft.texts:
                draft.texts[one.name] = one.plain(draft.texts[one.name])
        return draft

    def _name(self, place: Field, draft: Draft, choose: Choose) -> None:
        title, short = shown(self.title, most=NAME_LETTERS), short_name(self.title)
        naming = next(one for one in self.sayings if one.rule == "name")
        names = (title, short) if place.most >= _WHOLE_TITLE else (short, title)
        fitting = [one for one in dict.fromkeys(names) if place.fits(one)]
        options = [Option(one, naming) for one in fitting or [place.cut(short)]]
        self._take(place, draft, options if self.wide else options[:1], choose)

    def _hook(self, place: Field, draft: Draft, choose: Choose) -> None:
        options = [
            Option(text, one)
            for one in self._left(draft, place)
            if (text := self._first_fitting(place, one))
        ]
        if not options:
            options = [Option(one) for one in self.action if place.fits(one)]
        if options:
            self._take(place, draft, options, choose)

    def _detail(self, place: Field, draft: Draft, choose: Choose) -> None:
        options = [
            Option(text, one)
            for one in self._left(draft, place)
            if not one.personal
            and one.rule not in _NAMING
            and (text := self._first_fitting(place, one))
        ]
        if options:
            self._take(place, draft, options, choose)

    def _body(self, place: Field, draft: Draft, choose: Choose) -> None:
        asked = [_ended_line(one) for one in self.must_say]
        tail = " ".join(asked)
        if place.named:
            naming = next(one for one in self.sayings if one.rule == "name")
            left = place.most - (place.length(tail) + 1 if tail else 0)
            text = naming.full[0]
            if place.length(text) > left // 2:
                text = f"{place.cut(short_name(self.title))}."
            draft.add(place.name, Option(text, naming))
        for _ in range(place.sentences):
            begun = draft.texts.get(place.name, "")
            options = [
                Option(text, one)
                for one in self._left(draft, place)
                for text in ((*one.full, *one.others) if self.wide else one.full[:1])
                if place.fits(" ".join(part for part in (begun, text, tail) if part))
            ]
            if not options and not begun:
                # Better what stands elsewhere too than nothing.
                options = self._again(place, tail)
            if not options:
                break
            self._take(place, draft, options, choose)
        for line in asked:
            if place.fits(f"{draft.texts.get(place.name, '')} {line}".strip()):
                draft.add(place.name, Option(line))
            else:
                draft.notes.append(f"'{line}' does not fit {self.channel.name}.{place.name}")
        self._ended(place, draft, choose)

    def _again(self, place: Field, tail: str) -> list[Option]:
        told = [one for one in self.sayings if not one.personal and one.rule not in _NAMING]
        return [
            Option(one.full[0], one)
            for one in sorted(told, key=lambda one: -one.weight)
            if place.fits(f"{one.full[0]} {tail}".strip())
        ]

    def _ended(self, place: Field, draft: Draft, choose: Choose) -> None:
        """What to do now ends a text, where no field of its own says it."""
        if any(one.role == "action" for one in self.channel.fields):
            return
        begun = draft.texts.get(place.name, "")
        read = " ".join(draft.texts.values())
        options = [
            Option(f"{one}.")
            for one in self.action
            if begun and f"{one}." not in read and place.fits(f"{begun} {one}.")
        ]
        if options:
            self._take(place, draft, options if self.wide else options[:1], choose)

    def _action(self, place: Field, draft: Draft, choose: Choose) -> None:
        options = [Option(one) for one in self.action if place.fits(one)]
        if options:
            self._take(place, draft, options if self.wide else options[:1], choose)

    def _keywords(self, place: Field, draft: Draft, choose: Choose) -> None:
        del choose
        words: list[str] = []
        values = [short_name(self.title)]
        values += [
            value
            for one in self.sayings
            if not one.personal and one.rule in ("brand", "category", "label")
            for value in one.values
        ]
        for value in (part.strip() for whole in values for part in whole.split(",")):
            known = {word.lower() for word in words}
            worded = value.lower() not in known and not any(map(str.isdigit, value))
            if worded and value and place.fits(", ".join([*words, value])):
                words.append(value)
        draft.texts[place.name] = ", ".join(words)

    def _take(self, place: Field, draft: Draft, options: list[Option], choose: Choose) -> None:
        chosen = choose(place, draft.texts.get(place.name, ""), options)
        draft.add(place.name, options[chosen])

    def _first_fitting(self, place: Field, one: Sayable) -> str:
        return next((text for text in one.short if place.fits(text)), "")

    def _left(self, draft: Draft, place: Field) -> list[Sayable]:
        """Statements that would be news here, weightiest first."""
        said = [one for _, one in draft.used]
        rules = {one.rule for one in said}
        words = content_words(" ".join(draft.texts.values()))
        told = [name for name, one in draft.used if one.personal]
        no_more_of_them = place.name in told or len(told) >= _PERSONAL

        def is_news(one: Sayable) -> bool:
            if one in said or any(one.rule in group and rules & set(group) for group in _ONCE):
                return False
            if one.personal:
                known = one.rule == "bought" and _spoken(one.words) <= words
                return not no_more_of_them and not known
            return not one.words or one.rule in _NAMING or not one.words <= words

        left = [one for one in self.sayings if is_news(one)]
        return sorted(left, key=lambda one: -one.weight * one.turn)


def _ended_line(line: str) -> str:
    """A line that another sentence can follow."""
    return f"{line}." if line[-1:].isalnum() else line


def _spoken(words: frozenset[str]) -> frozenset[str]:
    """Words without numbers and units, by which two sizes of a thing are one thing."""
    return frozenset(word for word in words if len(word) > 2 and word.isalpha())
