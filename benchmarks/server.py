"""Server: what batching gains, whether any answer is wrong or lost, and how memory moves.

A real process of ``genrec serve`` with a ``tiny`` LLM over a synthetic catalogue. The gain is the
throughput at 32 clients over that of one client who waits for each answer before the next request,
at a server that does not wait for others; ``over_unbatched`` is the gain over such a server under
the same 32 clients. The three are timed in turn, ten rounds of each, and their medians compared: a
machine that is slower for a while is so for all. Then random requests run under load, among them
bodies that are no JSON, wrong filters and clients that leave; the model is swapped in the middle.
Every answer is held against its own filter by plain Python and against the swap; every tenth is
computed again alone, by the model that it names. Memory is sampled after a warm-up, under the same
load.

``--quick`` is a thirtieth of the requests and twenty seconds of memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.cases.served_shop import (
    BRANDS,
    CATEGORIES,
    ITEMS,
    USERS,
    catalog,
    dataset,
    make_run,
    served,
)
from benchmarks.cases.wire import Wire
from benchmarks.harness import arguments, report
from genrec.serving.keys import KeyFile
from genrec.serving.loaded import Loaded
from genrec.stages.loaded import open_run
from genrec.stages.recommend import history_of

CLIENTS, LONGEST, ROUNDS = 32, 20, 10
# How far the score of an item may move with the shape of its batch, in float32.
TOLERANCE = 1e-3


@dataclass
class Asked:
    """One good request and what came back."""

    body: dict[str, Any]
    began: float = 0
    ended: float = 0
    written: bytes = b""

    @cached_property
    def answer(self) -> dict[str, Any] | None:
        """What came back, read after the load; ``None`` if nothing did."""
        return json.loads(self.written) if self.written else None


def random_body(draw: random.Random) -> dict[str, Any]:
    """A request that can be answered: a history or a user, a length and a filter."""
    conditions: dict[str, Any] = {
        "category": draw.sample(CATEGORIES, 3),
        "brand": {"not": draw.choice(BRANDS)},
        "price": {"min": round(draw.uniform(1, 8), 2), "max": round(draw.uniform(15, 90), 2)},
        "in_stock": True,
    }
    chosen = draw.sample(sorted(conditions), draw.randint(0, 3))
    body: dict[str, Any] = {
        "n": draw.randint(1, LONGEST),
        "where": {name: conditions[name] for name in chosen},
        "exclude_seen": draw.random() < 0.5,
        "explain": draw.random() < 0.1,
    }
    if draw.random() < 0.5:
        body["user"] = f"u{draw.randrange(USERS)}"
    else:
        body["history"] = [f"p{draw.randrange(ITEMS)}" for _ in range(draw.randint(0, 12))]
    return body


def holds(where: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether an item satisfies a filter, read in the plainest way."""
    if "category" in where and row["category"] not in where["category"]:
        return False
    if "brand" in where and row["brand"] == where["brand"]["not"]:
        return False
    price = where.get("price", {"min": 0, "max": 1e9})
    return price["min"] <= row["price"] <= price["max"] and row["in_stock"] >= where.get(
        "in_stock", False
    )


JSON = {"Content-Type": "application/json"}
# Body, headers, and the status that it must get.
MALFORMED: list[tuple[bytes, dict[str, str], int]] = [
    (b"{", JSON, 400),
    (b'{"history": ["\xff"]}', JSON, 400),
    (b"[" * 500, JSON, 400),
    (b'{"history": []}', {"Content-Type": "text/plain"}, 415),
    (b" " * 300_000, JSON, 413),
    (b'{"history": ["p1"], "n": "many"}', JSON, 422),
    (b'{"history": ["nothing such"]}', JSON, 422),
    (b'{"history": [], "where": {"colour": "red"}}', JSON, 422),
    (b'{"history": [], "where": {"price": {"below": 0}}}', JSON, 422),
    (b'{"user": "a stranger"}', JSON, 404),
]


@dataclass
class Load:
    """Clients of one server and what they saw."""

    address: str
    key: str
    seed: int
    end: float = float("inf")
    good: list[Asked] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    async def clients(
        self,
        work: Callable[[Wire, random.Random], Awaitable[None]],
        requests: int,
        clients: int = CLIENTS,
    ) -> float:
        """Seconds for so many requests by so many clients, or until ``end``."""
        left = iter(range(requests))

        async def one(number: int) -> None:
            draw = random.Random(f"{self.seed} {number}")
            with contextlib.closing(Wire(self.address, self.key)) as client:
                for _ in left:
                    if time.perf_counter() > self.end:
                        return
                    await work(client, draw)

        before = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(clients)))
        return time.perf_counter() - before

    async def ask(self, client: Wire, draw: random.Random) -> None:
        """A good request; one that is turned away tries again."""
        asked = Asked(random_body(draw))
        self.good.append(asked)
        content = json.dumps(asked.body).encode()
        while True:
            asked.began = time.perf_counter()
            try:
                async with asyncio.timeout(60):
                    status, answer = await client.post(content, JSON)
            except (OSError, EOFError, TimeoutError) as error:
                self.seen[f"lost: {type(error).__name__}"] += 1
                return
            asked.ended = time.perf_counter()
            if status != 429:
                break
            self.seen["turned away, tried again"] += 1
            await asyncio.sleep(0.05)
        if status == 200:
            asked.written = answer
        else:
            self.seen[f"lost: {status} {answer[:200]!r}"] += 1

    async def anything(self, client: Wire, draw: random.Random) -> None:
        """A request of any kind, good ones mostly."""
        kind = draw.random()
        if kind < 0.08:
            content, headers, status = draw.choice(MALFORMED)
            given, _ = await client.post(content, headers)
            if given not in (status, 429):
                self.seen[f"wrong: {given} for {content[:60]!r}"] += 1
            self.seen["malformed"] += 1
        elif kind < 0.14:
            try:
                async with asyncio.timeout(draw.uniform(0.001, 0.1)):
                    await client.post(json.dumps(random_body(draw)).encode(), JSON)
            except TimeoutError:
                self.seen["left early"] += 1
        else:
            await self.ask(client, draw)


@dataclass
class Swap:
    """When the model was swapped, and between which."""

    before: str
    after: str
    began: float
    ended: float

    def allows(self, asked: Asked) -> bool:
        """Whether the version of an answer fits the time of its request."""
        assert asked.answer is not None
        version = asked.answer["model"]
        if asked.ended < self.began:
            return version == self.before
        if asked.began > self.ended:
            return version == self.after
        return version in (self.before, self.after)


async def under_load(load: Load, requests: int, other: Path, admin: str) -> Swap:
    """Random requests, and a swap when half of them are under way."""
    running = asyncio.create_task(load.clients(load.anything, requests))
    while len(load.good) < 0.43 * requests:
        await asyncio.sleep(0.01)
    headers = {"Authorization": f"Bearer {admin}"}
    async with httpx.AsyncClient(base_url=load.address, headers=headers, timeout=120) as client:
        bad = await client.post("/v1/admin/reload", json={"folder": str(other.parent)})
        if bad.status_code != 422:
            load.seen[f"wrong: {bad.status_code} for a folder that is no run"] += 1
        began = time.perf_counter()
        done = await client.post("/v1/admin/reload", json={"folder": str(other)})
        ended = time.perf_counter()
    done.raise_for_status()
    await running
    return Swap(done.json()["before"], done.json()["model"], began, ended)


def judged(load: Load, swap: Swap, models: dict[str, Loaded]) -> Counter[str]:
    """What is wrong with the answers."""
    found: Counter[str] = Counter()
    rows = {row["item_id"]: row for row in catalog().table.iter_rows(named=True)}
    for number, asked in enumerate(load.good):
        if asked.answer is None:
            continue
        if not swap.allows(asked):
            found["mixed"] += 1
            continue
        body, loaded = asked.body, models[asked.answer["model"]]
        if "user" in body:
            history = loaded.dataset.history(body["user"])
        else:
            history = history_of(loaded.dataset, body["history"])
        seen = {loaded.catalog.ids[item] for item in history.items if body["exclude_seen"]}
        ids = [one["item"]["id"] for one in asked.answer["items"]]
        allowed = {name for name, row in rows.items() if holds(body["where"], row)} - seen
        if not set(ids) <= allowed or len(set(ids)) != len(ids):
            found["wrong: an item that its filter forbids"] += 1
        if len(ids) != min(body["n"], len(allowed)) or asked.answer["available"] != len(allowed):
            found["wrong: another number of items"] += 1
        if number % 10 == 0:
            found["computed again alone"] += 1
            alone = loaded.recommender.recommend(
                history, body["n"], where=body["where"], exclude_seen=body["exclude_seen"]
            )
            scores = np.array([one["score"] for one in asked.answer["items"]])
            expected = np.array([one.score for one in alone])
            if scores.shape != expected.shape or np.abs(scores - expected).max() > TOLERANCE:
                found["wrong: not what it gets alone"] += 1
            found["same items as alone"] += ids == [one.item.id for one in alone]
    return found


def resident_mb(process: int) -> float:
    """Memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def memory(load: Load, process: int, seconds: float) -> list[float]:
    """The server's memory at equal intervals under load."""
    load.end, samples = time.perf_counter() + seconds, []

    async def watch() -> None:
        while time.perf_counter() < load.end:
            await asyncio.sleep(seconds / 40)
            samples.append(resident_mb(process))
            load.good.clear()

    await asyncio.gather(load.clients(load.anything, 10**9), watch())
    return samples


@dataclass
class Speed:
    """A load that is timed in rounds: so many requests by so many clients of one server."""

    load: Load
    requests: int
    clients: int
    per_second: list[float] = field(default_factory=list)
    waits_ms: list[float] = field(default_factory=list)

    def run(self, *, counts: bool = True) -> None:
        """One round."""
        self.load.good.clear()
        taken = asyncio.run(self.load.clients(self.load.ask, self.requests, self.clients))
        if counts:
            self.per_second.append(self.requests / taken)
            self.waits_ms += [(one.ended - one.began) * 1000 for one in self.load.good]

    @property
    def median(self) -> float:
        """Requests a second in the middle one of the rounds."""
        return statistics.median(self.per_second)


def speeds(run: Path, keys: Path, key: str, requests: int) -> list[Speed]:
    """Of 32 clients, of the same without batches, and of one client.

    Args:
        requests: of each round; one client asks a quarter of them.
    """
    at_once = ("--max-batch", "1", "--max-wait-ms", "0")
    with (
        served(run, keys, "--max-batch", str(CLIENTS)) as (batched, _),
        served(run, keys, *at_once) as (alone, _),
    ):
        loads = [
            Speed(Load(batched, key, seed=1), requests, CLIENTS),
            Speed(Load(alone, key, seed=1), requests, CLIENTS),
            Speed(Load(alone, key, seed=1), requests // 4, 1),
        ]
        for number in range(1 + ROUNDS):
            for load in loads:
                # The first round warms caches.
                load.run(counts=number > 0)
    for load in loads:
        if load.load.seen:
            raise RuntimeError(f"Answers were lost while speed was measured: {load.load.seen}")
    return loads


def main() -> None:
    """Prints the figures of this area."""
    options = arguments(__doc__ or "")
    requests, timed, seconds = (340, 160, 20.0) if options.quick else (10_000, 640, 600.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = dataset()
        for run, steps in (("first", 20), ("second", 30)):
            make_run(folder / run, data, steps)
        keys = KeyFile(folder / "keys.json")
        key, admin = keys.new("clients"), keys.new("admin", admin=True)

        together, alone, one = speeds(folder / "first", keys.path, key, timed)
        with served(folder / "first", keys.path) as (address, process):
            load = Load(address, key, seed=2)
            swap = asyncio.run(under_load(load, requests, folder / "second", admin))
            models = {m.version: m for m in map(open_run, (folder / "first", folder / "second"))}
            found = judged(load, swap, models) + load.seen
            # Caches fill and the allocator settles before memory means anything.
            warm = Load(address, key, seed=3)
            asyncio.run(warm.clients(warm.anything, requests // 2))
            samples = asyncio.run(memory(Load(address, key, seed=4), process, seconds))
    fifth = max(1, len(samples) // 5)
    growth = statistics.median(samples[-fifth:]) - statistics.median(samples[:fifth])
    failed = {name: n for name, n in found.items() if name.startswith(("wrong", "lost", "mixed"))}
    report(
        {
            "batching_gain_32_clients": round(together.median / one.median, 2),
            "batching_gain_over_unbatched": round(together.median / alone.median, 2),
            "wrong_or_lost": sum(failed.values()),
            "p99_ms": round(float(np.percentile(together.waits_ms, 99)), 1),
            "memory_growth_mb": round(growth, 1),
        },
        clients=CLIENTS,
        items=ITEMS,
        requests=requests,
        requests_timed=ROUNDS * timed,
        rounds=ROUNDS,
        per_second_together=round(together.median, 1),
        per_second_one_client=round(one.median, 1),
        per_second_unbatched=round(alone.median, 1),
        p50_ms=round(statistics.median(together.waits_ms), 1),
        answers=sum(asked.answer is not None for asked in load.good),
        seen=dict(found),
        swap_seconds=round(swap.ended - swap.began, 2),
        memory_minutes=round(seconds / 60, 2),
        memory_mb=[round(sample) for sample in samples[:: max(1, len(samples) // 10)]],
    )


if __name__ == "__main__":
    main()
