"""Policies as files: read, checked, joined with those that they extend, searched for conflicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path

import yaml

from genrec.creatives.guard.folding import fold
from genrec.creatives.guard.phrases import PhraseFinder
from genrec.creatives.guard.policy import CLAIM_KINDS, SHIPPED, Disclosure, Policy, Rule
from genrec.errors import ConfigError, InputError, nearest

KEYS = (
    "market",
    "category",
    "extends",
    "forbidden",
    "must_say",
    "disclosures",
    "length",
    "check_claims",
    "profanity",
    "pii",
    "allowed",
)


def read_policy(name_or_path: str | Path, seen: tuple[str, ...] = ()) -> Policy:
    """See ``Policy.load``; ``seen`` names the policies that led here."""
    path = _path(name_or_path)
    if path.stem in seen:
        raise InputError(f"Policies extend each other in a ring: {' -> '.join([*seen, path.stem])}")
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not YAML: {error}") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path.name} must hold keys and values; it holds {type(raw).__name__}.")
    problems: list[str] = []
    own = _parse(path.stem, raw, problems)
    if problems:
        raise InputError(f"The policy {path.name} has {len(problems)} problem(s).", problems)
    for base in own.extends:
        beside = path.with_name(f"{base}.yaml")
        other = read_policy(beside if beside.is_file() else base, (*seen, path.stem))
        own = _joined(own, other, raw)
    if problems := list(_contradictions(own)):
        raise InputError(f"The policy {path.name} contradicts itself.", problems)
    return own


def _path(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if path.is_file():
            return path
        raise ConfigError(f"There is no policy file {path}.")
    shipped = SHIPPED / f"{name_or_path}.yaml"
    if not shipped.is_file():
        raise ConfigError(
            f"No policy '{name_or_path}'; {nearest(str(name_or_path), Policy.names())} "
            "Or give a path that ends in .yaml."
        )
    return shipped


def _parse(name: str, raw: Mapping[object, object], problems: list[str]) -> Policy:
    problems += [
        f"unknown key '{key}'; {nearest(str(key), KEYS)}" for key in raw if key not in KEYS
    ]
    policy = Policy(
        name,
        market=str(raw.get("market", "any")),
        category=str(raw.get("category", "any")),
        extends=_lines(raw.get("extends", []), "extends", problems),
        forbidden=tuple(_rules(raw.get("forbidden"), problems)),
        say={
            str(channel): _lines(lines, f"must_say.{channel}", problems)
            for channel, lines in _mapping(raw.get("must_say"), "must_say", problems).items()
        },
        disclosures=tuple(_disclosures(raw.get("disclosures"), problems)),
        length=dict(_lengths(raw.get("length"), problems)),
        check_claims=_lines(raw.get("check_claims", [*CLAIM_KINDS]), "check_claims", problems),
        profanity=_lines(raw.get("profanity", ["english"]), "profanity", problems),
        pii=raw.get("pii", True) is True,
        allowed=_lines(raw.get("allowed", []), "allowed", problems),
    )
    problems += [
        f"check_claims: no kind '{kind}'; {nearest(kind, CLAIM_KINDS)}"
        for kind in policy.check_claims
        if kind not in CLAIM_KINDS
    ]
    if not isinstance(raw.get("pii", True), bool):
        problems.append(f"pii must be true or false, not {raw['pii']!r}")
    return policy


def _lengths(value: object, problems: list[str]) -> Iterator[tuple[str, int]]:
    for channel, most in _mapping(value, "length", problems).items():
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            problems.append(f"length.{channel} must be a whole number of at least 1, not {most!r}")
        else:
            yield str(channel), most


def _lines(value: object, key: str, problems: list[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return tuple(str(one) for one in value)
    problems.append(f"{key} must be a text or a list of texts, not {value!r}")
    return ()


def _mapping(value: object, key: str, problems: list[str]) -> Mapping[object, object]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    problems.append(f"{key} must hold a value for each channel, not {value!r}")
    return {}


def _entries(
    value: object, key: str, valid: tuple[str, ...], problems: list[str]
) -> Iterator[dict]:
    if value is None:
        return
    if not isinstance(value, list):
        problems.append(f"{key} must be a list, not {type(value).__name__}")
        return
    for place, entry in enumerate(value, 1):
        if not isinstance(entry, dict):
            problems.append(f"{key}[{place}] must hold keys and values, not {entry!r}")
            continue
        problems += [
            f"{key}[{place}]: unknown key '{one}'; {nearest(str(one), valid)}"
            for one in entry
            if one not in valid
        ]
        yield entry


def _rules(value: object, problems: list[str]) -> Iterator[Rule]:
    valid = tuple(one.name for one in fields(Rule))
    for entry in _entries(value, "forbidden", valid, problems):
        phrases = _lines(entry.get("phrases", []), "forbidden.phrases", problems)
        name = str(entry.get("id", ""))
        if not name or not phrases:
            problems.append(f"forbidden: an entry needs an id and phrases; it has {sorted(entry)}")
        empty = [phrase for phrase in phrases if not any(map(str.isalnum, fold(phrase).text))]
        problems += [f"forbidden '{name}': '{phrase}' has no letters" for phrase in empty]
        yield Rule(name, phrases, str(entry.get("why", "")), str(entry.get("instead", "")))


def _disclosures(value: object, problems: list[str]) -> Iterator[Disclosure]:
    valid = tuple(one.name for one in fields(Disclosure))
    for entry in _entries(value, "disclosures", valid, problems):
        if not entry.get("say"):
            problems.append("disclosures: an entry needs 'say'")
        yield Disclosure(
            str(entry.get("say", "")),
            _lines(entry.get("when", []), "disclosures.when", problems),
            _lines(entry.get("channels", []), "disclosures.channels", problems),
        )


def _joined(own: Policy, base: Policy, raw: Mapping[object, object]) -> Policy:
    """Rules add up; single values are those of the policy that extends."""
    channels = dict.fromkeys([*base.say, *own.say])
    return replace(
        own,
        forbidden=(*own.forbidden, *base.forbidden),
        say={key: (*base.say.get(key, ()), *own.say.get(key, ())) for key in channels},
        disclosures=(*base.disclosures, *own.disclosures),
        length={**base.length, **own.length},
        check_claims=own.check_claims if "check_claims" in raw else base.check_claims,
        profanity=own.profanity if "profanity" in raw else base.profanity,
        pii=own.pii if "pii" in raw else base.pii,
        allowed=(*base.allowed, *own.allowed),
    )


def _contradictions(policy: Policy) -> Iterator[str]:
    phrases = [(rule, phrase) for rule in policy.forbidden for phrase in rule.phrases]
    finder = PhraseFinder([phrase for _, phrase in phrases])
    asked = [(f"must_say.{key}", line, key) for key, lines in policy.say.items() for line in lines]
    asked += [("disclosures", one.say, "") for one in policy.disclosures]
    for key, line, _ in asked:
        for _, _, number in finder.find(fold(line).text):
            rule, phrase = phrases[number]
            yield f"{key} asks for '{line}', and forbidden '{rule.id}' refuses '{phrase}'"
    for key in policy.say:
        channel = "" if key == "any" else key
        most = policy.longest(channel)
        needed = sum(len(line) + 1 for line in policy.must_say(channel)) - 1
        if most is not None and needed > most:
            yield f"must_say.{key} needs {needed} characters, and length allows {most}"
