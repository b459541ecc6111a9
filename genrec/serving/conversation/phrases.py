"""What shoppers say in English: turns of phrase for intents, bounds, persons and places in a list."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ORDINALS = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4,
    "fifth": 5, "5th": 5, "sixth": 6, "6th": 6, "seventh": 7, "eighth": 8, "last": -1,
    "final": -1,
}  # fmt: skip
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_ORDINAL = re.compile(
    r"\b(?:the\s+|that\s+)?(" + "|".join(_ORDINALS) + r")(?:\s+(?:one|item|option|card|product))?\b"
    r"(?!\s+(?:time|thing|of all|aid|class|name))"
)
_NUMBERED = re.compile(
    r"(?:#\s?|\b(?:number|no\.?|option|item|card)\s+)(\d{1,2}|" + "|".join(_NUMBERS) + r")\b"
)

_ONE = r"(?:one|item|option|product|thing)s?"
_IT = re.compile(rf"\b(?:it|this|that|(?:this|that)\s+{_ONE}|these|those|them)\b")

# In this order: the first that matches decides, and what it matched says nothing more.
_INTENTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (intent, re.compile(pattern))
    for intent, pattern in (
        ("undo", r"\b(?:undo|go back|take (?:that|it) back|revert|scratch that|put (?:it|that) back)\b"),
        ("restart", r"\b(?:start (?:over|again|afresh|new)|new search|reset|begin again|clear (?:all|everything|the filters?)|forget (?:everything|all(?: that)?))\b"),
        ("make_ad", r"\b(?:(?:make|write|create|design|show|give|do|draw up)\b.{0,20}\b(?:an? )?(?:ad|ads|advert|adverts|advertisement|banner|poster|promo)|(?:ad|advert|advertisement|poster|banner) (?:for|of))\b"),
        ("why", r"^(?:but |and |so |ok(?:ay)?,? )*(?:why|how come)\b|\bexplain\b|\bwhat makes you\b|\breasons? (?:for|why)\b|\bwhy (?:this|that|it|the|do|did|are|is)\b"),
        ("less_like", r"\b(?:less|fewer|nothing|not (?:any|more)) (?:like|of)\b|\bless of\b"),
        ("hide", r"\b(?:hide|remove|dismiss|get rid of|throw out|drop|lose|delete)\s+(?=the\s+(?:\w+\s+)?(?:one|first|second|third|fourth|last)|it\b|this\b|that\b|#|number|no\b|option|item|card|all of)|\bnever show\b|\bdon'?t show (?:me )?(?=it|this|that|the)|\bnot (?=(?:the )?(?:first|second|third|fourth|fifth|last|1st|2nd|3rd|4th)\b|(?:that|this|it)(?: one)?\s*$|#|number )|\b(?:i )?(?:don'?t|do not) (?:like|want|care for) (?=(?:the )?(?:first|second|third|fourth|fifth|last)\b|(?:that|this|it)\b(?! (?:brand|colou?r|material|maker|make))|#|number )|\b(?:i )?(?:hate|dislike) (?=(?:the )?(?:first|second|third|fourth|last)\b|(?:that|this|it)\b(?! (?:brand|colou?r|material))|#)|\bno,? not (?=that|this|it)"),
        ("more_like", r"\b(?:more|something|anything|others?|similar|ones?|exactly|just) (?:like|to|as)\b|\blike\b(?= (?:this|that|it|these|the (?:first|second|third|fourth|fifth|last|\w+ one))\b)|\bsimilar (?:to|ones?)\b|\b(?:i (?:really )?)?(?:like|love|prefer|want|take|choose) (?=(?:the )?(?:first|second|third|fourth|fifth|last|1st|2nd|3rd|4th)\b|(?:that|this|it)(?: one)?\b(?! (?:brand|colou?r|material))|#|number )|\bmore of (?=the|these|those|this|that)"),
        ("tell", r"\b(?:tell me (?:more )?about|details (?:of|on|about|for)|what (?:about|is|'s) (?=(?:the )?(?:first|second|third|fourth|fifth|last|1st|2nd|3rd)\b|it\b|#|number )|more (?:about|on|info(?:rmation)?)|describe|how much (?:is|does))\b"),
        ("more", r"\b(?:something else|anything else|what else|(?:show )?(?:me )?(?:some )?(?:more|others?)(?: (?:ones?|options?|items?|ideas?|choices?|please))?\s*[.!?]*$|other (?:ones?|options?|items?|ideas?|choices?|things)|different (?:ones?|options?|items?|things)|next(?: (?:page|ones?))?\s*[.!?]*$|not (?:these|those)|keep going|more options|show me more\b(?! (?:like|exp|about)))"),
        ("help", r"^(?:help(?: me)?|what can (?:you|i) (?:do|ask|say)|how does (?:this|it) work|who are you|commands?)\W*$"),
    )
)  # fmt: skip
_NONE_OF = re.compile(
    r"\b(?:none of (?:these|those|them)|(?:hide|remove) (?:all(?: of)?(?: (?:these|those|them))?|"
    r"these|those|them)|(?:i )?(?:do ?n[o']t|don't) (?:like|want) (?:any(?: of (?:these|those|"
    r"them))?|these|those|them)\b)(?! (?:brand|colou?r|material))"
)
_YES = re.compile(
    r"^\W*(?:yes|yeah|yep|yup|sure|ok(?:ay)?|please(?: do)?|go ahead|do (?:it|that|so)|alright|"
    r"of course)(?: please| thanks| do(?: it| that)?)?\W*$"
)
_NO = re.compile(r"^\W*(?:no|nope|nah|not really|no thanks?|better not|don't)(?: thank you)?\W*$")
_HELLO = re.compile(
    r"^\W*(?:hi|hello|hey|hiya|howdy|greetings|yo|good (?:morning|afternoon|evening|day))"
    r"(?: there| you| again| everyone)?\b\W*"
)
_THANKS = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|great|perfect|cool|nice|lovely),? )*(?:thanks?(?: you)?|thank you|cheers|"
    r"ta|bye|goodbye|see you|that'?s (?:all|it|great|perfect)|perfect|great|lovely|nice)"
    r"(?: (?:so much|a lot|very much|for (?:that|your help|the help)|then|now|bye|goodbye))*\W*$"
)
_ANY = re.compile(
    r"^\W*(?:i )?(?:any(?:thing)?(?: (?:is|will do|works|goes|of them|one|is fine))*|whatever|"
    r"either(?: is fine| one)?|(?:it )?does ?n[o']t matter|(?:i )?(?:do ?n[o']t|don't) "
    r"(?:care|mind|know)|doesn't matter|no preference|not (?:sure|important)|"
    r"you (?:choose|decide|pick)|surprise me|skip(?: (?:it|that|this))?|no idea|all of them)\W*$"
)
_AMOUNT = r"(?:[$€£]\s?|usd\s?|eur\s?)?(\d{1,7}(?:[.,]\d{1,2})?)(?:\s?(?:dollars?|bucks|euros?|pounds?|quid|usd|eur|[$€£]))?(?!\s*(?:oz|ml|cl|kg|g|lb|lbs|in|inch|inches|cm|mm|ct|pack|packs|l|liters?|litres?|pcs|pieces|people|%)\b|%)"
_BOUNDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("between", rf"\b(?:between|from)\s+{_AMOUNT}\s+(?:and|to|-)\s+{_AMOUNT}|{_AMOUNT}\s?(?:-|–|to)\s?{_AMOUNT}\b"),
        ("not_over", rf"\b(?:not|no|n't)(?: \w+){{0,3}} (?:more|over|above|higher) (?:than )?{_AMOUNT}|\b(?:at most|up to|max(?:imum)?(?: of)?|no more than|within|budget (?:of|is|about|:)?|(?:can )?(?:spend|pay|afford)(?: up to| about)?)\s*{_AMOUNT}|{_AMOUNT}\s+(?:or less|or under|or cheaper|max(?:imum)?|at most|tops|budget)\b"),
        ("below", rf"\b(?:under|below|less than|cheaper than|lower than|beneath|<)\s*{_AMOUNT}|<\s*{_AMOUNT}"),
        ("above", rf"\b(?:over|above|more than|higher than|dearer than|>)\s*{_AMOUNT}|>\s*{_AMOUNT}"),
        ("least", rf"\b(?:at least|min(?:imum)?(?: of)?|from|starting at|no less than)\s*{_AMOUNT}|{_AMOUNT}\s+(?:or more|and up|or above|minimum|upwards)\b"),
        ("about", rf"\b(?:around|about|roughly|approximately|circa|near|~)\s*{_AMOUNT}|~\s*{_AMOUNT}"),
    )
)  # fmt: skip
_RELATIVES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("cheapest", r"\b(?:the )?(?:cheapest|lowest[- ]priced?|least expensive)\b"),
        ("dearer", r"\b(?:more expensive|pricier|dearer|costlier|fancier|higher(?:[- ]priced?)?|better quality|more upmarket)\b(?! than)"),
        ("cheaper", r"\b(?:cheaper|less expensive|less pricey|lower(?:[- ]price[ds]?)?|too (?:expensive|pricey|dear|much)(?: money)?|costs? too much|a bit less|for less)\b"),
        ("low", r"\b(?:cheap|inexpensive|affordable|low[- ]cost|budget(?:[- ]friendly)?|bargain|not (?:too |so |very )?expensive)\b"),
        ("high", r"\b(?:expensive|luxur(?:y|ious)|high[- ]end|upmarket|fancy|premium[- ]priced)\b"),
    )
)  # fmt: skip
_FAMILY = (
    "sister|brother|mother|mum|mom|father|dad|wife|husband|partner|girlfriend|boyfriend|friend|"
    "son|daughter|kid|kids|child|children|baby|aunt|uncle|cousin|niece|nephew|grandma|grandpa|"
    "grandmother|grandfather|granny|boss|colleague|coworker|neighbour|neighbor|teacher|family|"
    "parents|roommate|flatmate|guests"
)
_RECIPIENT = re.compile(
    rf"\b(?:(?:as )?(?:an? )?(?:birthday |christmas |little |small )?(?:gift|present) )?for "
    rf"(?:my |our |a |an |the |his |her )?(?:little |big |older |younger |old |best |good )*"
    rf"({_FAMILY}|her|him|them|someone|somebody(?: else)?|someone else)(?:'s (?:birthday|wedding))?\b"
)
_GIFT = re.compile(r"\b(?:as )?(?:an? )?(?:birthday |christmas )?(?:gift|present)\b")
_MYSELF = re.compile(r"\bfor (?:me|myself|my own use)\b(?! to)")

STOP = frozenset(
    """a about again all also am an and any anything are as at be because been being best big bit
    bring buy by can choose come could do does doing for find fine from get gift give go going good
    got guess had has have having help her here hey hi him his how i i'd i'll i'm i've if in instead
    into is it item items its it's just kind kinda know let let's like look looking looked love made
    make maybe me mean mine more most much must my myself need needs nice no now of off ok okay on
    once one ones only option options or other our out over pick please pls prefer present product
    products really recommend right same search see shall she he show so some somebody someone
    something sort still stuff suggest sure take tell than thank thanks that that's the their them
    then there these they thing things think this those though to today too try type under up us use
    very want wanted wants was way we well were what what's when where which while who will wish
    with would wouldn't yeah yep yes you you'd your you've around between less least max min
    maximum minimum below above price priced budget cost costs dollar dollars buck bucks euro euros
    pound pounds usd eur dont don't doesn't doesnt didn't isn't not without except never nothing
    none neither but rather even actually basically literally quite currently shop store stock sell
    available got also additionally plus maybe possibly hello afternoon evening morning ad advert
    idea ideas hmm hm um uh eh oh ah well sorry excuse question wondering wonder anyway""".split()
)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text that has been understood.

    Attributes:
        what: what it says.
        start: where it begins.
        end: the place after its end.
    """

    what: str
    start: int
    end: int


def intent_of(text: str) -> Span | None:
    """The first turn of phrase that says what is to be done."""
    for intent, pattern in _INTENTS:
        if match := pattern.search(text):
            return Span(intent, match.start(), match.end())
    return None


def greeting_of(text: str) -> Span | None:
    """A greeting at the beginning."""
    match = _HELLO.match(text)
    return Span("hello", match.start(), match.end()) if match and match.group() else None


def is_thanks(text: str) -> bool:
    """Whether the whole text is thanks, or a goodbye."""
    return bool(_THANKS.match(text))


def is_any(text: str) -> bool:
    """Whether the whole text says that it does not matter."""
    return bool(_ANY.match(text))


def is_yes(text: str) -> bool:
    """Whether the whole text agrees."""
    return bool(_YES.match(text))


def is_no(text: str) -> bool:
    """Whether the whole text declines."""
    return bool(_NO.match(text))


def none_of(text: str) -> Span | None:
    """That all of what was shown is refused."""
    match = _NONE_OF.search(text)
    return Span("all", match.start(), match.end()) if match else None


def ordinal_of(text: str) -> tuple[int, Span] | None:
    """Which of a list is meant by its number."""
    if match := _NUMBERED.search(text):
        said = match.group(1)
        number = _NUMBERS[said] if said in _NUMBERS else int(said)
        return number, Span("ordinal", match.start(), match.end())
    if match := _ORDINAL.search(text):
        return _ORDINALS[match.group(1)], Span("ordinal", match.start(), match.end())
    return None


def pronoun_of(text: str) -> Span | None:
    """A word for the thing that was spoken of."""
    match = _IT.search(text)
    return Span("it", match.start(), match.end()) if match else None


def bound_of(text: str) -> tuple[dict[str, float], Span] | None:
    """The bounds of a price, as a condition of a filter."""
    for kind, pattern in _BOUNDS:
        if not (match := pattern.search(text)):
            continue
        numbers = [_number(one) for one in match.groups() if one is not None]
        span = Span("price", match.start(), match.end())
        if kind == "between":
            return {"min": min(numbers), "max": max(numbers)}, span
        if kind == "about":
            return {"min": round(numbers[0] * 0.8, 2), "max": round(numbers[0] * 1.2, 2)}, span
        word = {"not_over": "max", "below": "below", "above": "above", "least": "min"}[kind]
        return {word: numbers[0]}, span
    return None


def relative_of(text: str) -> Span | None:
    """A price against others."""
    for kind, pattern in _RELATIVES:
        if match := pattern.search(text):
            return Span(kind, match.start(), match.end())
    return None


def recipient_of(text: str) -> Span | None:
    """Whom it is for: a word such as ``sister``, ``someone``, or ``me``."""
    if match := _RECIPIENT.search(text):
        who = match.group(1)
        who = "someone" if who in ("her", "him", "them") or who.startswith("some") else who
        return Span(who, match.start(), match.end())
    if match := _MYSELF.search(text):
        return Span("me", match.start(), match.end())
    if match := _GIFT.search(text):
        return Span("someone", match.start(), match.end())
    return None


def _number(said: str) -> float:
    if said.count(",") == 1 and len(said.rsplit(",", 1)[1]) <= 2:
        said = said.replace(",", ".")
    number = float(said.replace(",", ""))
    return int(number) if number.is_integer() else number
