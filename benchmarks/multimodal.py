"""Items that are seen: every part of this area in a process of its own, figures put together.

Each part is a benchmark by itself too: ``python -m benchmarks.photo_tower`` and so on.
"""

from __future__ import annotations

import subprocess

from benchmarks.harness import Figures, arguments, in_child, not_measured, report

# Part -> the key that stands for it where it could not be measured.
PARTS = {
    "toy_pictures": "toy_fused",
    "photo_tower": "photo_recall10_over_chance",
    "picture_encoding": "encode_speedup",
    "few_bits": "load4bit_memory_share",
}
HOURS = 3


def main() -> None:
    """Prints the figures of this area."""
    words = ["--quick"] if arguments(__doc__ or "").quick else []
    figures: Figures = {}
    protocol: dict[str, object] = {}
    for part, key in PARTS.items():
        try:
            found = in_child(f"benchmarks.{part}", *words, timeout=HOURS * 3600)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            figures |= not_measured(key, f"benchmarks.{part}: {error}")
            continue
        measured, rules = found["figures"], found["protocol"]
        assert isinstance(measured, dict) and isinstance(rules, dict)
        figures |= measured
        protocol[part] = rules
    report(figures, **protocol)


if __name__ == "__main__":
    main()
