"""Mutation testing: how many small faults, put into the code on purpose, do its tests notice?

Faults are put into metrics, decoding and the guard of advertising copy: an operator or a number is
changed, a condition turned round, a loop left out. A fault is killed when the tests of its module
fail or run on for ever. A sample is drawn by seed from all possible faults.

The changes themselves are those of cosmic-ray. Its own runner starts an interpreter for each
fault, which here means loading torch each time, and knows no sample by seed; this one loads what
tests need once and forks. Everything happens in a copy of the tree.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import parso
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider

from benchmarks.harness import report

CHECKOUT = Path(__file__).resolve().parent.parent
COPIED = ("genrec", "tests", "benchmarks", "prompts", "recipes", "campaigns", "checkpoints")
DECODING = ("batches", "beam", "code_graph", "folded", "frontier", "parallel", "trie")
GUARD = ("check", "finding", "folding", "grounds", "phrases", "pii", "policy", "policy_file")
# What speaks for a module beside the test file of its own name.
MORE_TESTS = {
    "genrec/decoding/batches.py": ("tests/decoding/test_beam.py",),
    "genrec/decoding/frontier.py": ("tests/decoding/test_beam.py",),
    "genrec/decoding/folded.py": ("tests/decoding/test_frontier.py",),
    "genrec/creatives/guard/check.py": ("tests/creatives/guard/test_policy.py",),
    "genrec/creatives/guard/finding.py": ("tests/creatives/guard/test_check.py",),
    "genrec/creatives/guard/grounds.py": ("tests/creatives/guard/test_check.py",),
    "genrec/creatives/guard/policy_file.py": ("tests/creatives/guard/test_policy.py",),
    "genrec/creatives/guard/profanity.py": ("tests/creatives/guard/test_check.py",),
}
LEFT_OUT = (
    # They need a choice of variables, which a sample cannot make.
    "VariableReplacer",
    "VariableInserter",
    # Equal texts and small numbers are one object in CPython, so nothing changes.
    "ReplaceComparisonOperator_Eq_Is",
    "ReplaceComparisonOperator_NotEq_IsNot",
)
MEMORY = 24 << 30


@dataclass(frozen=True)
class Mutant:
    """One fault: the n-th place where an operator can change a module."""

    module: str
    operator: str
    occurrence: int
    line: int


def modules() -> list[str]:
    """What is mutated, as paths below the checkout."""
    found = sorted((CHECKOUT / "genrec" / "evaluation").glob("metrics*.py"))
    names = [str(path.relative_to(CHECKOUT)) for path in found]
    names += [f"genrec/decoding/{name}.py" for name in DECODING]
    return names + [f"genrec/creatives/guard/{name}.py" for name in (*GUARD, "profanity")]


def tests_of(module: str) -> list[str]:
    """The files of tests that speak for a module, its own first."""
    path = Path(module)
    own = Path("tests", *path.parts[1:-1], f"test_{path.name}")
    files = [str(own)] if (CHECKOUT / own).is_file() else []
    return [*files, *MORE_TESTS.get(module, ())]


def possible(module: str) -> Iterator[Mutant]:
    """Every fault that can be put into a module; what only types would notice is left out."""
    source = (CHECKOUT / module).read_text()
    tree = parso.parse(source)
    typed = lines_of_annotations(ast.parse(source))
    for name in OperatorProvider():
        if name in LEFT_OUT:
            continue
        operator = OperatorProvider()[name]()
        places = [
            (node, place[0]) for node in walk(tree) for place in operator.mutation_positions(node)
        ]
        for number, (node, start) in enumerate(places):
            in_type = any(first <= tuple(start) < last for first, last in typed)
            if not in_type and not is_spread(node):
                yield Mutant(module, name, number, start[0])


def is_spread(node: parso.tree.NodeOrLeaf) -> bool:
    """Whether it is a star or slash that spreads or parts arguments, and no arithmetic."""
    above = node.parent
    sign = getattr(node, "value", "") in ("*", "**", "/")
    return sign and above is not None and above.type not in ("term", "power")


def walk(node: parso.tree.NodeOrLeaf) -> Iterator[parso.tree.NodeOrLeaf]:
    """Every node of a tree, parents first: the order in which cosmic-ray counts."""
    yield node
    for child in getattr(node, "children", ()):
        yield from walk(child)


def lines_of_annotations(tree: ast.AST) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations begin and end: (line, column) each."""
    found = []
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            note = getattr(node, name, None)
            if note is not None:
                begin, end = (note.lineno, note.col_offset), (note.end_lineno, note.end_col_offset)
                found.append((begin, end))
    return found


@cache
def warm(loaded: tuple[str, ...]) -> None:
    """Imports what the tests load beside genrec, so that no child has to."""
    for name in loaded:
        try:
            __import__(name)
        except Exception as error:  # noqa: BLE001 - the child will import it, or not need it
            print(f"not loaded ahead: {name} ({error})", file=sys.stderr)


def in_child(copy: Path, tests: list[str], limit: float, told: Path) -> tuple[str, float]:
    """Runs tests in a fork: ``passed``, ``failed``, ``timeout`` or ``broken``, and seconds."""
    begun = time.monotonic()
    child = os.fork()
    if not child:
        run_tests(copy, tests, told)
    while time.monotonic() - begun < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            # 1: tests failed; 2: a module could not be imported; below 0: a crash.
            outcome = "passed" if code == 0 else "broken" if code in (3, 4, 5) else "failed"
            return outcome, time.monotonic() - begun
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout", time.monotonic() - begun


def run_tests(copy: Path, tests: list[str], told: Path) -> None:
    """What the fork does; never comes back."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    with (told / "output.txt").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    import pytest

    quiet = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(copy)]
    code = int(pytest.main([*quiet, *tests]))
    import genrec

    if not Path(str(genrec.__file__)).is_relative_to(copy):
        code = 4
    (told / "loaded.json").write_text(json.dumps([*sys.modules]))
    sys.stdout.flush()
    os._exit(code)


def baseline(copy: Path, module: str, told: Path) -> float:
    """Seconds that the tests of an unchanged module take; loads ahead what they load."""
    for _ in range(2):
        outcome, seconds = in_child(copy, tests_of(module), 600, told)
        if outcome != "passed":
            raise SystemExit(
                f"Without a fault, the tests of {module} do not pass ({outcome}):\n"
                + (told / "output.txt").read_text()
            )
        own = ("genrec", "tests", "conftest", "benchmarks", "__main__")
        loaded = json.loads((told / "loaded.json").read_text())
        packages = {name.partition(".")[0] for name in loaded} - set(own)
        wanted = [name for name in loaded if name.partition(".")[0] in packages and name[0] != "_"]
        deep = ("torch.nn", "transformers.")
        warm(tuple(name for name in wanted if "." not in name or name.startswith(deep)))
    return seconds


def try_mutant(copy: Path, mutant: Mutant, seconds: float, told: Path) -> str:
    """Puts one fault into the copy, runs the tests of its module, takes the fault out again."""
    path = copy / mutant.module
    source = (CHECKOUT / mutant.module).read_text()
    changed = mutate_code(source, OperatorProvider()[mutant.operator](), mutant.occurrence)
    if changed is None or same_program(changed, source):
        return "none"
    path.write_text(changed)
    try:
        outcome, _ = in_child(copy, tests_of(mutant.module), 4 * seconds + 10, told)
    finally:
        path.write_text(source)
    return outcome


def same_program(changed: str, source: str) -> bool:
    """Whether a change makes no other program, or none at all."""
    try:
        return ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source))
    except SyntaxError:
        return True


def difference(mutant: Mutant) -> str:
    """The line as it is, and as it becomes."""
    source = (CHECKOUT / mutant.module).read_text()
    changed = mutate_code(source, OperatorProvider()[mutant.operator](), mutant.occurrence)
    before, after = source.splitlines(), changed.splitlines()
    at = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    return f"{mutant.module}:{at + 1}: {before[at].strip()}  →  {after[at].strip()}"


def main() -> None:
    """Prints the figure of this area; survivors go to stderr as they are found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="12 faults instead of 200")
    parser.add_argument("--mutants", type=int, default=200, help="how many faults are drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="modules whose path contains this")
    options = parser.parse_args()
    os.environ |= {"HYPOTHESIS_PROFILE": "first", "OMP_NUM_THREADS": "1"}
    sys.dont_write_bytecode = True
    everything = [
        mutant for module in modules() if options.only in module for mutant in possible(module)
    ]
    wanted = min(12 if options.quick else options.mutants, len(everything))
    order = random.Random(options.seed).sample(everything, len(everything))
    outcomes: dict[Mutant, str] = {}
    seconds: dict[str, float] = {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy, told = Path(folder, "copy"), Path(folder)
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        for name in COPIED:
            shutil.copytree(CHECKOUT / name, copy / name, ignore=ignored)
        shutil.copy(CHECKOUT / "pyproject.toml", copy)
        compileall.compile_dir(copy / "genrec", quiet=1)
        for module in modules():
            # Stale bytecode of a mutated file must never be taken for it.
            for stale in (copy / module).parent.glob(f"__pycache__/{Path(module).stem}.*"):
                stale.unlink()
        for mutant in order:
            if len(outcomes) == wanted:
                break
            if mutant.module not in seconds:
                seconds[mutant.module] = baseline(copy, mutant.module, told)
            outcome = try_mutant(copy, mutant, seconds[mutant.module], told)
            if outcome == "none":
                continue
            if outcome == "broken":
                raise SystemExit((told / "output.txt").read_text())
            outcomes[mutant] = outcome
            if len(outcomes) % 20 == 0:
                print(f"{len(outcomes)} of {wanted}", file=sys.stderr, flush=True)
            if outcome == "passed":
                print(f"survives: {difference(mutant)}", file=sys.stderr, flush=True)
    finish(outcomes, everything, options.seed, time.monotonic() - begun)


def finish(outcomes: dict[Mutant, str], everything: list[Mutant], seed: int, took: float) -> None:
    survivors = [mutant for mutant, outcome in outcomes.items() if outcome == "passed"]
    drawn = Counter(mutant.module for mutant in outcomes)
    lost = Counter(mutant.module for mutant in survivors)
    report(
        {"mutation_kill_rate": round(1 - len(survivors) / len(outcomes), 4)},
        mutants=len(outcomes),
        of=len(everything),
        seed=seed,
        timeouts=sum(outcome == "timeout" for outcome in outcomes.values()),
        minutes=round(took / 60, 1),
        by_module={name: f"{drawn[name] - lost[name]}/{drawn[name]}" for name in sorted(drawn)},
        survivors=[difference(mutant) for mutant in survivors],
    )


if __name__ == "__main__":
    main()
