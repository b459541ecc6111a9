"""Free mode with SmolLM2: what the guard lets pass, what is written again, what falls back to rank.

``python -m benchmarks.free_copy [--quick]``. Every text is printed to stderr as it comes, with its
notes, to be read; the figures say only where it came from. One text is asked for per request.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import numpy as np

from benchmarks.harness import Figures, arguments, not_measured, report
from genrec.creatives.copy import FREE, Copy, CopyRequest
from genrec.creatives.copywriter import REWRITTEN, Copywriter
from genrec.data.dataset import Dataset
from genrec.errors import GenrecError
from genrec.profiles.build import build_profiles

TEXTS, SEED, MODEL = 20, 0, "smollm2-135m"
CHANNELS = ("push", "x")
KEPT, AGAIN, FELL = "kept", "rewritten", "fallen_back"


def origin(copy: Copy) -> str:
    """Where a finished text came from."""
    if copy.written_by != FREE:
        return FELL
    return AGAIN if any(note.startswith(REWRITTEN) for note in copy.notes) else KEPT


def figures(texts: int) -> Figures:
    """Shares of texts by where they came from, and seconds for each."""
    try:
        from genrec.llm.text_transformers import TransformersText

        model = TransformersText(MODEL)
    except GenrecError as error:
        return not_measured("free_kept", str(error).splitlines()[0])
    data = Dataset.load("complete_journey")
    profiles = build_profiles(data)
    rng = np.random.default_rng(SEED)
    writer = Copywriter(mode=FREE, writer=model, candidates=1)
    came: Counter[str] = Counter()
    started = time.process_time()
    for number in range(texts):
        item = data.catalog[int(rng.integers(len(data.catalog)))]
        user = str(data.users[int(rng.integers(len(data.users)))])
        channel = CHANNELS[number % len(CHANNELS)]
        (copy,) = writer.write([CopyRequest(item, profiles[user], channel, seed=number)])
        came[origin(copy)] += 1
        print(f"\n{item.title} | {channel} | {origin(copy)}", file=sys.stderr)
        for line in (*(f"{name}: {text}" for name, text in copy.fields.items()), *copy.notes):
            print(f"  {line}", file=sys.stderr, flush=True)
    seconds = time.process_time() - started
    return {
        **{f"free_{name}": round(came[name] / texts, 3) for name in (KEPT, AGAIN, FELL)},
        "free_cpu_seconds_per_text": round(seconds / texts, 2),
    }


def main() -> None:
    texts = 4 if arguments(__doc__ or "").quick else TEXTS
    report(figures(texts), data="complete_journey", texts=texts, model=MODEL, channels=CHANNELS)


if __name__ == "__main__":
    main()
