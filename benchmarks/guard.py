"""The guard: errors caught, forbidden claims caught behind tricks, false alarms, checks a second.

Cases come from real items: Amazon (industrial, office) and Complete Journey. Clean texts are
sentences of an item's own description and templates over its own facts. Errors are put into them
with words harvested by patterns from *other* items (``Color: X``, ``made of X``, ``X certified``,
numbers, prices); ``benchmarks/cases/copy_errors.py`` shares no list with the guard. An error counts
as caught only if a finding overlaps the very letters that were put in. Items are halved by a hash
of their id: the guard's lists were extended looking at misses of one half (``--part dev``); figures
are those of the other.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from benchmarks.cases.copy_errors import (
    SEED,
    Case,
    Harvest,
    clean_cases,
    error_cases,
    forbidden_cases,
    real_items,
)
from benchmarks.harness import Figures, report
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy, Verdict
from genrec.data.catalog import Item

NOTHING_KNOWN = ItemFacts.of(Item("1", "Thing"))


def caught(case: Case, verdict: Verdict, kind: str = "") -> bool:
    assert case.span is not None
    start, end = case.span
    return any(
        one.span[0] < end and start < one.span[1]
        for one in verdict.findings
        if not kind or one.kind == kind
    )


def shares(cases: Sequence[Case], hits: Sequence[bool]) -> dict[str, dict[str, float | int]]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for case, hit in zip(cases, hits, strict=True):
        groups[case.kind].append(hit)
    return {
        kind: {"cases": len(group), "share": round(sum(group) / len(group), 5)}
        for kind, group in sorted(groups.items())
    }


def is_plainly_refused(text: str, policy: Policy) -> list[str]:
    """Forbidden phrases that stand in a text as they are: such a text is not clean."""
    flat = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    padded = f" {flat} "
    return [
        phrase
        for rule in policy.forbidden
        for phrase in rule.phrases
        if f" {' '.join(re.findall(r'[a-z0-9]+', phrase.lower()))} " in padded
    ]


def growth(guard: Guard) -> dict[str, float]:
    """CPU time on a text eight times as long over that on the short one, by what it repeats."""

    def seconds(unit: str, letters: int) -> float:
        text = (unit * letters)[:letters]
        begin = time.process_time()
        guard.check(text, NOTHING_KNOWN)
        return time.process_time() - begin

    return {
        unit: round(
            median(seconds(unit, 80_000) for _ in range(3))
            / median(seconds(unit, 10_000) for _ in range(3)),
            1,
        )
        for unit in ("a", "1,", "c u r e s ", "f*", "с\u200b", "5 x ", "not free ")
    }


def show(title: str, lines: Sequence[tuple[Case, Verdict]]) -> None:
    print(f"\n{title}")
    for case, verdict in lines:
        marked = case.text
        if case.span:
            start, end = case.span
            marked = f"{case.text[:start]}[[{case.text[start:end]}]]{case.text[end:]}"
        reasons = ", ".join(f"{one.rule} {one.said!r}" for one in verdict.findings[:3])
        print(f"  {case.kind}: {marked[:200]}  <- {reasons}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer items")
    parser.add_argument("--part", choices=("test", "dev"), default="test")
    options = parser.parse_args()
    dice = random.Random(SEED)
    items = real_items(options.part)
    if options.quick:
        items = dice.sample(items, 1500)
    found = Harvest.of(items)
    policy = Policy.load("general")
    guard = Guard(policy)
    clean = list(clean_cases(items, dice))
    refused = [case for case in clean if is_plainly_refused(case.text, policy)]
    clean = [case for case in clean if not is_plainly_refused(case.text, policy)]
    errors = list(error_cases(items, found, dice))
    phrases = [phrase for rule in policy.forbidden for phrase in rule.phrases]
    tricks = list(forbidden_cases(items, phrases, 1500 if options.quick else 6000, dice))

    facts = {id(item): ItemFacts.of(item) for item in items}
    pairs = [(case.text, facts[id(case.item)]) for case in [*clean, *errors, *tricks]]
    begin = time.process_time()
    verdicts = guard.check_many(pairs)
    cold = time.process_time() - begin
    begin, wall = time.process_time(), time.perf_counter()
    verdicts = guard.check_many(pairs)
    warm, wall = time.process_time() - begin, time.perf_counter() - wall

    on_clean = verdicts[: len(clean)]
    on_errors = verdicts[len(clean) : len(clean) + len(errors)]
    on_tricks = verdicts[len(clean) + len(errors) :]
    hit = [caught(case, verdict) for case, verdict in zip(errors, on_errors, strict=True)]
    trick_hit = [
        caught(case, verdict, "forbidden") for case, verdict in zip(tricks, on_tricks, strict=True)
    ]
    alarms = [not verdict.ok for verdict in on_clean]
    for title, cases, some, wanted in (
        ("worst misses: errors", errors, on_errors, [not one for one in hit]),
        ("worst misses: tricks", tricks, on_tricks, [not one for one in trick_hit]),
        ("false alarms", clean, on_clean, alarms),
    ):
        lines = [(c, v) for c, v, bad in zip(cases, some, wanted, strict=True) if bad]
        show(f"{title} ({len(lines)} of {len(cases)})", lines[:20])
    print("\nharvested", {name: len(words) for name, words in vars(found).items()})
    figures: Figures = {
        "errors_caught": round(sum(hit) / len(hit), 5),
        "forbidden_caught": round(sum(trick_hit) / len(trick_hit), 5),
        "false_alarms": round(sum(alarms) / len(alarms), 5),
        "checks_per_second": round(len(pairs) / warm),
    }
    report(
        figures,
        cases=len(pairs),
        items=len(items),
        part=options.part,
        policy=f"{policy.name} {policy.version}",
        seed=SEED,
        errors=shares(errors, hit),
        tricks=shares(tricks, trick_hit),
        alarms=shares(clean, alarms),
        own_sentences_that_the_policy_refuses=len(refused),
        checks_per_second_of_wall_time=round(len(pairs) / wall),
        checks_per_second_with_items_read=round(len(pairs) / cold),
        time_for_eight_times_the_letters=growth(guard),
        time="CPU seconds of one thread, facts of the items at hand, batch of all cases",
    )


if __name__ == "__main__":
    main()
