"""The chat: simulated shoppers beside two controls, turns read aright, time to the first card.

2,000 conversations, half in the toy shop, half on Complete Journey: a shopper wants something
that a real one chose in the test (in the toy shop also by the oracle's taste), states a part,
answers, refuses, accepts. The recommender is co-occurrence in all three, so that only the
conversation differs. First cards are timed on a synthetic catalogue of a million items without
any LLM: each turn is new to the caches, so compiling its filter is part of it. The turns of the
test's case file are also read by SmolLM2-135M, and its time to the first token is taken; not with
``--no-llm``, and in a quick run with ``--llm`` only.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import yaml

import genrec as gr
from benchmarks.harness import Figures, not_measured, report
from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.evaluation.shoppers import Verdict
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.popular import Popular
from genrec.serving.conversation import Cards, ChatEvent, ChatState, Done, Message, Token
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.model_reader import ModelReader
from genrec.serving.conversation.rules import RuleReader
from genrec.serving.conversation.shop import Shop
from genrec.stages.judge_chat import judged

CASES = Path(__file__).parent.parent / "tests/serving/conversation/cases.yaml"
COLOURS = (
    "blue", "green", "red", "black", "white", "navy", "grey", "beige", "pink", "yellow", "brown",
    "purple",
)  # fmt: skip
MATERIALS = (
    "cotton", "wool", "linen", "leather", "glass", "steel", "oak", "bamboo", "silk", "paper",
    "cork", "rubber",
)  # fmt: skip
THINGS = (
    "mug", "lamp", "bag", "shirt", "cushion", "vase", "chair", "table", "rug", "clock", "mirror",
    "shelf", "basket", "blanket", "towel", "plate", "bowl", "glass", "fork", "knife", "spoon",
    "pan", "kettle", "teapot", "candle", "frame", "poster", "scarf", "hat", "glove", "sock", "shoe",
    "boot", "sandal", "belt", "wallet", "watch", "ring", "necklace", "bracelet", "coat", "jacket",
    "jumper", "dress", "skirt", "tent",
)  # fmt: skip
STYLES = (
    "classic", "modern", "rustic", "vintage", "striped", "plain", "woven", "folding", "large",
    "small", "travel", "garden",
)  # fmt: skip


def conversations(source: str, count: int, turns: int) -> tuple[Verdict, ...]:
    data = gr.Dataset.load(source)
    training, test = data.split("last-basket")
    shop = Shop(Cooccurrence.train(training), training).open()
    found = judged(shop, training, test, shoppers=count, turns=turns)
    for talk in found.talks[:3]:
        print("\n".join([f"--- {source}: {talk.want.kind}, {talk.turns} turns", *talk.lines]))
    return found.verdicts


def together(one: Verdict, other: Verdict) -> Figures:
    """The figures of both shops' conversations as one."""
    both = (one, other)
    cards, talks = sum(v.cards for v in both), sum(v.conversations for v in both)

    def of_cards(name: str) -> float:
        return round(sum(getattr(v, name) * v.cards for v in both) / cards, 5)

    def of_talks(name: str) -> float:
        return round(sum(getattr(v, name) * v.conversations for v in both) / talks, 4)

    turns = min(one.turns, other.turns)
    return {
        "conversations": talks,
        "real_items": of_cards("real_items"),
        "constraints_kept": of_cards("constraints_kept"),
        "rejected_repeats": sum(v.rejected_repeats for v in both),
        "refusals": sum(v.refusals for v in both),
        f"success_{turns}_turns": round(
            sum(v.success[turns] * v.conversations for v in both) / talks, 4
        ),
        "success_1_turn": round(sum(v.success[1] * v.conversations for v in both) / talks, 4),
        "questions": of_talks("questions"),
    }


def a_million(items: int) -> Shop:
    """A synthetic shop, not open yet, with ten thousand shoppers' events."""
    rng = np.random.default_rng(0)

    def drawn(values: Sequence[str]) -> np.ndarray:
        return np.array(values)[rng.integers(len(values), size=items)]

    things, colours, styles = drawn(THINGS), drawn(COLOURS), drawn(STYLES)
    brands = drawn([f"Brand{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}" for n in range(600)])
    titles = pl.DataFrame({"s": styles, "t": things}).select(
        pl.format("{} {}", pl.col("s"), pl.col("t"))
    )
    ids = pl.Series([f"i{number:07d}" for number in range(items)])
    catalog = Catalog(
        pl.DataFrame(
            {
                "item_id": ids,
                "title": titles.to_series(),
                "price": np.round(rng.lognormal(3, 0.8, items), 2),
                "category": things,
                "colour": colours,
                "material": drawn(MATERIALS),
                "brand": brands,
                "in_stock": rng.random(items) < 0.95,
            }
        )
    )
    events = pl.DataFrame(
        {
            "user_id": np.repeat([f"u{n}" for n in range(10_000)], 20),
            "item_id": ids.gather(rng.integers(items, size=200_000)),
            "time": np.tile(np.arange(20) + 1_700_000_000, 10_000),
        }
    )
    data = assemble(catalog, events, name="synthetic")
    return Shop(Popular.train(data), data)


def first_cards(shop: Shop, turns: int) -> Figures:
    """Milliseconds from a message to its cards, in turns that are all different."""
    rng = np.random.default_rng(1)
    conversation = Conversation(shop)
    taken: dict[str, list[float]] = {"first": [], "refined": [], "busy": []}
    for number in range(turns):
        thing, colour = rng.choice(THINGS), rng.choice(COLOURS)
        material, style = rng.choice(MATERIALS), rng.choice(STYLES)
        price = int(rng.integers(5, 90))
        opening = (
            f"I'm looking for a {colour} {thing} under {price}",
            f"{style} {thing}, not {material}",
            f"a {material} {thing} for my sister",
            f"something {colour} between {price} and {price + 20}",
            f"{style} {colour} {thing}",
        )[number % 5]
        state = ChatState(user=f"u{number}")
        for kind, text in (("first", opening), ("refined", f"in {material}, up to {price + 7}")):
            begin, busy = time.perf_counter(), time.process_time()
            for event in conversation.turn(state, Message(text)):
                if isinstance(event, Cards):
                    taken[kind].append((time.perf_counter() - begin) * 1000)
                    if kind == "first":
                        taken["busy"].append((time.process_time() - busy) * 1000)
                if isinstance(event, Done) and event.state:
                    state = event.state
    quantiles = {
        f"first_card_{name}_ms_1m": round(float(np.quantile(taken["first"], share)), 1)
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }
    return {
        **quantiles,
        # On a machine that others use too, what the turn itself computes says more.
        "first_card_p50_cpu_ms_1m": round(float(np.median(taken["busy"])), 1),
        "refined_card_p50_ms_1m": round(float(np.median(taken["refined"])), 1),
        "turns_with_cards": len(taken["first"]),
    }


def first_event(events: Iterator[ChatEvent]) -> None:
    """Takes events until the first word."""
    for event in events:
        if isinstance(event, Token):
            return


def reading(*, llm: bool, quick: bool) -> Figures:
    """The share of the case file that each reader gets right, and what the model costs."""
    from tests.serving.conversation.shop import corner_shop

    shop = corner_shop()
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    rules = RuleReader(shop.vocabulary)
    spoken = yaml.safe_load(CASES.with_name("spoken.yaml").read_text(encoding="utf-8"))
    figures: Figures = {
        "cases": len(cases),
        "rules_right": _right(rules, cases),
        "rules_right_spoken": _right(rules, spoken),
    }
    if not llm:
        why = "run with --llm: some ten minutes"
        return {**figures, **not_measured("model_right", why)}
    from genrec.llm.text_transformers import TransformersText

    model = TransformersText("smollm2-135m", dtype="bfloat16")
    reader = ModelReader(shop.vocabulary, model)
    part, heard = (cases[::5], spoken[::5]) if quick else (cases, spoken)
    begin = time.perf_counter()
    right = _right(reader, part)
    seconds = (time.perf_counter() - begin) / len(part)
    right_spoken = _right(reader, heard)
    conversation = Conversation(shop, reader)
    times = []
    for case in part[:20]:
        begin = time.perf_counter()
        first_event(conversation.turn(ChatState(), Message(case["say"])))
        times.append(time.perf_counter() - begin)
    return {
        **figures,
        "model": "smollm2-135m",
        "model_right": right,
        "model_cases": len(part),
        "model_right_spoken": right_spoken,
        "model_cases_spoken": len(heard),
        "model_seconds_a_turn": round(seconds, 2),
        "first_token_seconds_smollm2": round(float(np.median(times)), 2),
    }


def _right(reader: RuleReader | ModelReader, cases: list[dict]) -> float:
    right = 0
    for case in cases:
        found = reader.read(case["say"], pending=case.get("pending", "")).to_dict()
        found = {name: value for name, value in found.items() if name not in ("kinds", "corrected")}
        right += found == (case["is"] or {"intent": "unclear"})
    return round(right / len(cases), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller, in under a minute")
    parser.add_argument(
        "--llm",
        action=argparse.BooleanOptionalAction,
        help="read the cases with SmolLM2 too, some ten minutes; a full run does",
    )
    parser.add_argument("--items", type=int, default=0, help="of the synthetic catalogue")
    parser.add_argument("--only", choices=("talks", "speed", "reading"), default="")
    options = parser.parse_args()
    count, items, turns = (60, 100_000, 50) if options.quick else (1000, 1_000_000, 300)
    items = options.items or items
    figures: Figures = {}
    if options.only in ("", "talks"):
        toy = conversations("toy_shop", count, 5)
        real = conversations("complete_journey", count, 5)
        for name, one, other in zip(("chat", "retrieval", "popular"), toy, real, strict=True):
            found = together(one, other)
            figures |= found if name == "chat" else {f"{name}_control": found}
        figures["by_shop"] = {
            "toy_shop": {one.name: one.to_dict() for one in toy},
            "complete_journey": {one.name: one.to_dict() for one in real},
        }
    if options.only in ("", "speed"):
        closed = a_million(items)
        busy = time.process_time()
        shop = closed.open()
        figures["opening_cpu_seconds_1m"] = round(time.process_time() - busy, 1)
        first_cards(shop, 10)
        figures |= first_cards(shop, turns)
        figures["items"] = items
    if options.only in ("", "reading"):
        llm = not options.quick if options.llm is None else options.llm
        figures |= reading(llm=llm, quick=options.quick)
    report(figures, conversations=2 * count, turns=5, recommender="cooccurrence", items=items)


if __name__ == "__main__":
    main()
