"""Runs benchmarks and keeps their figures: ``python -m benchmarks data decoding --quick``.

Each area's last line goes to ``benchmarks/results/AREA.json``; a quick run goes to
``AREA.quick.json`` and never replaces full figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SHARED = ("__init__", "__main__", "harness")


def areas() -> list[str]:
    """Every area that has a benchmark."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in SHARED)


def run(area: str, *, quick: bool) -> bool:
    """Runs one area and writes its figures; says whether that worked."""
    command = [sys.executable, "-m", f"benchmarks.{area}", *(["--quick"] if quick else [])]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = process.stdout.strip().splitlines()
    try:
        result = json.loads(lines[-1]) if process.returncode == 0 and lines else None
    except ValueError:
        result = None
    if not isinstance(result, dict) or not {"figures", "machine", "protocol"} <= result.keys():
        print(f"{area}: no figures (exit code {process.returncode})", file=sys.stderr)
        return False
    target = HERE / "results" / f"{area}{'.quick' if quick else ''}.json"
    target.parent.mkdir(exist_ok=True)
    beside = target.with_suffix(".part")
    beside.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    os.replace(beside, target)
    print(f"{area}: {json.dumps(result['figures'], ensure_ascii=False)}")
    return True


def main() -> int:
    """Runs the named areas, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("areas", nargs="*", metavar="AREA", help=", ".join(areas()))
    parser.add_argument("--quick", action="store_true", help="smaller, in under a minute each")
    options = parser.parse_args()
    unknown = sorted(set(options.areas) - set(areas()))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(areas())}")
    worked = [run(area, quick=options.quick) for area in options.areas or areas()]
    return 0 if all(worked) else 1


if __name__ == "__main__":
    sys.exit(main())
