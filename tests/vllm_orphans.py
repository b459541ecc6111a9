"""Opens an engine, uses it, closes it; prints how many children it had, and how many live on."""

from __future__ import annotations

import sys

from genrec.llm.vllm_engine import VllmEngine
from tests.vllm_case import ENGINE, PROMPTS


def engines() -> list[str]:
    import psutil

    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            words = " ".join(child.cmdline())
        # It has ended, or is about to be reaped.
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        # A helper of multiprocessing that ends with its parent.
        if "resource_tracker" not in words:
            found.append(words)
    return found


def main() -> None:
    with VllmEngine(sys.argv[1], **ENGINE) as engine:
        assert engine.level_log_probabilities(PROMPTS, 0).isfinite().all()
        during = engines()
    print(during, engines(), file=sys.stderr)
    print(len(during), len(engines()))


if __name__ == "__main__":
    main()
