"""What a shop of a given size takes: a cost model of measured constants and named assumptions.

``python -m benchmarks.scaling`` prints the tables of ``docs/scaling.md`` and, last, one line of
JSON; ``--write`` puts the tables into the page. Nothing is measured here: constants are read from
``benchmarks/results``, and what was not measured there yet is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks.harness import report

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "scaling.md"
_BLOCK = re.compile(r"(<!-- scaling -->\n).*?(<!-- /scaling -->)", re.DOTALL)
DAY, GIGA = 86_400, 1e9


@dataclass(frozen=True)
class Assumptions:
    """What is taken for granted. Change one and run the module again.

    Attributes:
        levels: codes of a semantic ID.
        room: IDs for each item; fewer make the quantiser push more items off their best code.
        widest_codebook: codes of a level at most; beyond it, a level is added.
        parameters: of the LLM, its embeddings left out.
        width: of the LLM.
        dimensions: of an item vector.
        product_bytes: of an item vector that is product-quantised, one byte for 8 dimensions.
        events_of_user: that are kept.
        trained_share: of the users whose events are trained on.
        trained_events: newest events of such a user that are trained on, once.
        prompt_events: events of the prompt when lists are made.
        beams: of a list.
        peak_flops: of one GPU (H100, dense bf16, its data sheet).
        trained_efficiency: share of the peak that training reaches.
        listed_efficiency: share of the peak that making lists reaches; short prompts reach less.
        gpu_gb: memory of one GPU.
        trie_share: of that memory which the trie may take before it is sharded.
        load_gb: memory of the machine that loads a shard of events.
        gpu_hour: price of a GPU for an hour, in dollars.
    """

    levels: int = 3
    room: float = 25
    widest_codebook: int = 8192
    parameters: float = 1e9
    width: int = 2048
    dimensions: int = 384
    product_bytes: int = 48
    events_of_user: int = 100
    trained_share: float = 0.1
    trained_events: int = 20
    prompt_events: int = 50
    beams: int = 20
    peak_flops: float = 989e12
    trained_efficiency: float = 0.35
    listed_efficiency: float = 0.2
    gpu_gb: float = 80
    trie_share: float = 0.1
    load_gb: float = 256
    gpu_hour: float = 2.5


@dataclass(frozen=True)
class Measured:
    """Constants of one machine, from ``benchmarks/results``; ``None`` where not measured.

    Attributes:
        load_events_per_second: reading, checking, 5-core and split (data).
        load_bytes_per_event: peak memory of that (data).
        filter_seconds_per_item: compiling a filter that was not seen before (decoding).
        trie_seconds_per_item: building the trie (decoding).
        profile_events_per_second: profiles on one core (profiles).
        ads_per_second: distinct ads of one process (campaign).
        texts_per_second: item texts encoded by one process with one thread (distributed).
        lists_per_second: lists of 20 by ``tiny`` in one process with one thread (distributed).
    """

    load_events_per_second: float | None = None
    load_bytes_per_event: float | None = None
    filter_seconds_per_item: float | None = None
    trie_seconds_per_item: float | None = None
    profile_events_per_second: float | None = None
    ads_per_second: float | None = None
    texts_per_second: float | None = None
    lists_per_second: float | None = None

    @staticmethod
    def read(folder: Path = ROOT / "benchmarks" / "results") -> Measured:
        def of(area: str, key: str, section: str = "figures") -> float | None:
            file = folder / f"{area}.json"
            if not file.exists():
                return None
            value = json.loads(file.read_text())[section].get(key)
            return None if value is None else float(value)

        def over(one: float | None, other: float | None) -> float | None:
            return None if one is None or not other else one / other

        events = of("data", "events", "protocol")
        peak, compiled = of("data", "load_10m_peak_gb"), of("decoding", "filter_compile_ms_1m")
        return Measured(
            load_events_per_second=over(events, of("data", "load_10m_seconds")),
            load_bytes_per_event=over(None if peak is None else peak * GIGA, events),
            filter_seconds_per_item=None if compiled is None else compiled / 1000 / 1e6,
            trie_seconds_per_item=over(of("decoding", "trie_build_seconds_1m"), 1e6),
            profile_events_per_second=over(
                of("profiles", "events"), of("profiles", "profile_seconds")
            ),
            ads_per_second=of("campaign", "ads_per_second"),
            texts_per_second=of("distributed", "encode_texts_per_second"),
            lists_per_second=of("distributed", "lists_per_second"),
        )


def codebook(items: float, assumed: Assumptions) -> tuple[int, int]:
    """Levels, and codes of each: the smallest power of two that leaves room, or a level more."""
    levels = assumed.levels
    while True:
        size = 2 ** math.ceil(math.log2(items * assumed.room) / levels)
        if size <= assumed.widest_codebook:
            return levels, size
        levels += 1


def trie_bytes(items: float, levels: int, size: int) -> float:
    """Bytes of ``Trie`` for codes spread evenly: 4 for each code, first child and leaf range.

    Depth d has size^d places, of which (1 - exp(-items / size^d)) are taken.
    """
    nodes = [1.0]
    for depth in range(1, levels):
        places = float(size) ** depth
        nodes.append(places * -math.expm1(-items / places))
    nodes.append(items)
    starts = sum(count + 1 for count in nodes[:-1])
    codes = sum(nodes[1:])
    ranges = sum(count + 1 for count in nodes[1:-1])
    return 4 * (starts + codes + ranges + items)


def plan(
    items: float, users: float, measured: Measured, assumed: Assumptions
) -> dict[str, float | None]:
    """What that shop takes, by name; ``None`` where a constant was not measured."""

    def by(amount: float, rate: float | None) -> float | None:
        return None if rate is None else amount / rate

    def times(amount: float, each: float | None) -> float | None:
        return None if each is None else amount * each

    levels, size = codebook(items, assumed)
    trie = trie_bytes(items, levels, size)
    events = users * assumed.events_of_user
    tokens = users * assumed.trained_share * assumed.trained_events * levels
    training = 6 * assumed.parameters * tokens / (assumed.peak_flops * assumed.trained_efficiency)
    # An event of the prompt is `levels` tokens; each level but the first reads one of each beam.
    read = levels * assumed.prompt_events + assumed.beams * (levels - 1)
    listing = 2 * assumed.parameters * read / (assumed.peak_flops * assumed.listed_efficiency)
    loaded = times(events, measured.load_bytes_per_event)
    return {
        "levels": levels,
        "codebook_size": size,
        "rows added to the LLM": levels * size,
        "rows, GB in bf16": levels * size * assumed.width * 2 / GIGA,
        "a row for each item instead, GB": items * assumed.width * 2 / GIGA,
        "trie, GB": trie / GIGA,
        "shards of the trie": math.ceil(trie / (assumed.gpu_gb * GIGA * assumed.trie_share)),
        "building the trie, s": times(items, measured.trie_seconds_per_item),
        "a filter not seen before, s": times(items, measured.filter_seconds_per_item),
        "item vectors in float32, GB": items * assumed.dimensions * 4 / GIGA,
        "item vectors product-quantised, GB": items * assumed.product_bytes / GIGA,
        "encoding all texts, process-days": by(items / DAY, measured.texts_per_second),
        "events": events,
        "shards of the events": None
        if loaded is None
        else math.ceil(loaded / (assumed.load_gb * GIGA)),
        "loading all events, process-hours": by(events / 3600, measured.load_events_per_second),
        "profiles of all, core-hours": by(events / 3600, measured.profile_events_per_second),
        "tokens trained on": tokens,
        "training, GPU-hours": training / 3600,
        "training, dollars": training / 3600 * assumed.gpu_hour,
        "lists for all users, GPU-hours": listing * users / 3600,
        "GPUs for lists once a day": math.ceil(listing * users / DAY),
        "lists by tiny, process-days": by(users / DAY, measured.lists_per_second),
        "an ad for each user, process-days": by(users / DAY, measured.ads_per_second),
    }


def shown(value: float | None) -> str:
    if value is None:
        return "not measured"
    if value == 0 or 0.01 <= abs(value) < 1e5:
        return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.3g}"
    return f"{value:.2g}"


SIZES = {"1 M items, 10 M users": (1e6, 1e7), "10 M, 100 M": (1e7, 1e8), "100 M, 1 B": (1e8, 1e9)}


def table(head: list[str], rows: Mapping[str, list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(row)} |" for name, row in rows.items())])


def text(measured: Measured, assumed: Assumptions) -> str:
    """The tables of the page: the plan, the constants and the assumptions."""
    plans = [plan(*size, measured, assumed) for size in SIZES.values()]
    wanted = {name: [shown(one[name]) for one in plans] for name in plans[0]}
    had = {one.name: [shown(getattr(measured, one.name))] for one in fields(measured)}
    taken = {one.name: [shown(getattr(assumed, one.name))] for one in fields(assumed)}
    return "\n\n".join(
        [
            table(["what it takes", *SIZES], wanted),
            table(["measured constant", "value"], had),
            table(["assumption", "value"], taken),
            "`python -m benchmarks.scaling` prints these tables.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: nothing is measured")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scaling.md")
    chosen = parser.parse_args()
    measured, assumed = Measured.read(), Assumptions()
    tables = text(measured, assumed)
    print(tables)
    if chosen.write:
        page = PAGE.read_text()
        PAGE.write_text(_BLOCK.sub(lambda found: f"{found[1]}{tables}\n{found[2]}", page))
    report({name: plan(*size, measured, assumed) for name, size in SIZES.items()})


if __name__ == "__main__":
    main()
