"""Chat under load: what leaks, what is lost, how long a turn takes, what a kill costs.

A real process of ``genrec serve`` with a ``tiny`` LLM over a synthetic catalogue of 3,000 items.
200 shoppers talk at once, 20 turns each, each as soon as the turn before is acknowledged: wishes,
refinements, things done to cards. Each names a word of their own. Afterwards every session is read
back and held against what its shopper sent and got: a turn that was acknowledged and is not there,
or not as it was, is lost; another shopper's word, user or price limit in a session is a leak.

Then the same with fewer shoppers while the server is killed with SIGKILL and started again. Each
shopper sends what got no answer once more under its own id, and at the end every acknowledged turn
must be there, each message once.

``--quick`` is 40 shoppers with 6 turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.cases.served_shop import BRANDS, CATEGORIES, dataset, make_run
from benchmarks.harness import arguments, report

SHOPPERS, TURNS = 200, 20
KILLED_SHOPPERS, KILLED_TURNS = 40, 8
# Seconds that a shopper goes on trying while the server is away.
PATIENCE = 240.0


@dataclass
class Server:
    """``genrec serve`` as a process that may be killed."""

    run: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> float:
        """Seconds until it answers."""
        began = time.perf_counter()
        words = ["serve", str(self.run), "--port", str(self.port), "--queue", "1000"]
        with (self.run / "server.log").open("a") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "genrec.cli.main", *words], stdout=written, stderr=written
            )
        for _ in range(1200):
            if self.process.poll() is not None:
                raise RuntimeError((self.run / "server.log").read_text()[-2000:])
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/readyz").status_code == 200:
                    return time.perf_counter() - began
            time.sleep(0.1)
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        """As a power cut does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


@dataclass
class Shopper:
    """One session: what was sent, what was acknowledged, and what it saw.

    Attributes:
        word: said by nobody else.
        limit: the price that this shopper sets, in cents that nobody else has.
        kept: acknowledged events by the message's id.
    """

    number: int
    session: str = ""
    user: str = ""
    items: list[str] = field(default_factory=list)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def word(self) -> str:
        return f"zq{self.number:04d}x"

    @property
    def limit(self) -> float:
        return round(40 + self.number / 100, 2)

    def message(self, turn: int, draw: random.Random) -> dict[str, Any]:
        """What is said in a turn."""
        if turn == 0:
            category = CATEGORIES[self.number % len(CATEGORIES)]
            return {"text": f"{category} under {self.limit:.2f}"}
        if self.items and draw.random() < 0.5:
            action = draw.choice(["more_like", "less_like", "hide", "why", "make_ad"])
            return {"action": action, "item": draw.choice(self.items)}
        said = [f"my word is {self.word}", "something else", "show me more", "why the first?"]
        said += [f"only {draw.choice(BRANDS)}", "undo"]
        return {"text": draw.choice(said)}

    async def talk(self, client: httpx.AsyncClient, turns: int) -> None:
        """All turns, each until it is acknowledged."""
        draw = random.Random(self.number)
        if not self.session:
            self.user = f"u{self.number}"
            opened = await client.post("/v1/chat/sessions", json={"user": self.user})
            opened.raise_for_status()
            self.session = opened.json()["session"]
        for turn in range(turns):
            name = f"{self.number}-{len(self.sent)}"
            self.sent[name] = {**self.message(turn, draw), "id": name}
            await self.acknowledged(client, self.sent[name])

    async def acknowledged(self, client: httpx.AsyncClient, message: dict[str, Any]) -> None:
        """Sends a message, again where no answer came, until ``done`` is here."""
        end = time.perf_counter() + PATIENCE
        while time.perf_counter() < end:
            began = time.perf_counter()
            try:
                said = await self.heard(client, message, began)
            except httpx.TransportError:
                self.refused["connection"] += 1
                await asyncio.sleep(0.25)
                continue
            if said and said[-1]["kind"] == "done":
                self.seconds.append(time.perf_counter() - began)
                self.kept[message["id"]] = said
                for event in said:
                    if event["kind"] == "cards":
                        self.items = [card["item"] for card in event["cards"]]
                return
            await asyncio.sleep(0.25)

    async def heard(
        self, client: httpx.AsyncClient, message: dict[str, Any], began: float
    ) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        path = f"/v1/chat/sessions/{self.session}/turns"
        async with client.stream("POST", path, json=message) as answer:
            if answer.status_code != 200:
                self.refused[str(answer.status_code)] += 1
                return []
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    if not said:
                        self.firsts.append(time.perf_counter() - began)
                    said.append(json.loads(line.removeprefix("data: ")))
        return said


async def talk_all(address: str, shoppers: list[Shopper], turns: int) -> float:
    """Seconds for all of them at once."""
    began = time.perf_counter()
    limits = httpx.Limits(max_connections=len(shoppers) + 8)
    async with httpx.AsyncClient(base_url=address, timeout=300, limits=limits) as client:
        await asyncio.gather(*(one.talk(client, turns) for one in shoppers))
    return time.perf_counter() - began


def read_back(address: str, shoppers: list[Shopper]) -> Counter[str]:
    """What is lost and what leaked, counted."""
    found: Counter[str] = Counter()
    with httpx.Client(base_url=address, timeout=60) as client:
        for one in shoppers:
            session = client.get(f"/v1/chat/sessions/{one.session}/export").json()
            turns = {turn["message"]["id"]: turn for turn in session["turns"]}
            found["turns"] += len(session["turns"])
            found["twice"] += len(session["turns"]) - len(turns)
            for name, said in one.kept.items():
                found["acknowledged"] += 1
                if name not in turns or turns[name]["events"] != said:
                    found["lost"] += 1
            found["never_acknowledged"] += len(one.sent) - len(one.kept)
            text = json.dumps(session)
            others = (other for other in shoppers if other is not one)
            found["leaks"] += sum(other.word in text for other in others)
            found["leaks"] += session["user"] != one.user or session["state"]["user"] != one.user
            for turn in session["turns"]:
                found["leaks"] += turn["message"]["id"].partition("-")[0] != str(one.number)
                for event in turn["events"]:
                    limit = event.get("where", {}).get("price", {}).get("below")
                    if event["kind"] == "filter" and limit not in (None, one.limit):
                        found["leaks"] += 1
    return found


def quantile(values: list[float], share: float) -> float | None:
    ordered = sorted(values)
    return round(1000 * ordered[int(share * (len(ordered) - 1))], 1) if ordered else None


def under_load(server: Server, shoppers: int, turns: int) -> dict[str, object]:
    server.start()
    people = [Shopper(number) for number in range(shoppers)]
    seconds = asyncio.run(talk_all(server.address, people, turns))
    found = read_back(server.address, people)
    taken = [one for person in people for one in person.seconds]
    firsts = [one for person in people for one in person.firsts]
    refused = sum((person.refused for person in people), Counter())
    return {
        "sessions": shoppers,
        "turns": found["acknowledged"],
        "leaks": found["leaks"],
        "lost_turns": found["lost"] + found["never_acknowledged"] + found["twice"],
        "refused": dict(refused),
        "turns_a_second": round(found["acknowledged"] / seconds, 1),
        "turn_p50_ms": quantile(taken, 0.5),
        "turn_p99_ms": quantile(taken, 0.99),
        "first_event_p50_ms": quantile(firsts, 0.5),
    }


def killed(server: Server, shoppers: int, turns: int) -> dict[str, object]:
    """The server is killed twice in the middle; its store is all that is left."""
    people = [Shopper(1000 + number) for number in range(shoppers)]
    for person in people:
        person.user = ""

    async def disturbed() -> list[float]:
        talking = asyncio.create_task(talk_all(server.address, people, turns))
        starts = []
        for kill in (1, 2):
            wanted = kill * shoppers * turns // 3
            while sum(len(person.kept) for person in people) < wanted and not talking.done():
                await asyncio.sleep(0.02)
            server.kill()
            starts.append(await asyncio.to_thread(server.start))
        await talking
        return starts

    starts = asyncio.run(disturbed())
    found = read_back(server.address, people)
    return {
        "kill_turns": found["acknowledged"],
        "kill_lost_turns": found["lost"] + found["never_acknowledged"],
        "kill_answered_twice": found["twice"],
        "kill_leaks": found["leaks"],
        "kill_restart_seconds": [round(one, 1) for one in starts],
    }


def main() -> None:
    options = arguments(__doc__)
    quick = options.quick
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        make_run(run, dataset(), steps=20)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Server(run, port)
        try:
            figures = under_load(server, *((40, 6) if quick else (SHOPPERS, TURNS)))
            print(json.dumps(figures), file=sys.stderr, flush=True)
            figures |= killed(server, *((20, 6) if quick else (KILLED_SHOPPERS, KILLED_TURNS)))
        finally:
            server.stop()
    protocol: dict[str, object] = {
        "catalogue": "3,000 synthetic items",
        "model": "tiny LLM, 20 steps, rules read the turns",
        "load": "closed loop: each shopper's next turn follows the acknowledgement of the last",
        "cores": sorted(os.sched_getaffinity(0)),
        "note": "server and shoppers share these cores",
    }
    report(figures, **protocol)


if __name__ == "__main__":
    main()
