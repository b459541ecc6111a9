"""``python -m release.licences``: the licence of every dependency, checked and written down.

Licences that ask for nothing but to be named are let through. What asks for more stands in
``release/licences.yaml`` with a reason, and may only come with an extra that somebody chooses.
Writes ``docs/licences.md``; ``--check`` compares with what stands there.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from release.dependencies import CHECKOUT, CORE, GATHERED, Found, Package, dependencies

RULES = Path(__file__).with_suffix(".yaml")
PAGE = CHECKOUT / "docs" / "licences.md"
_PARTS = re.compile(r"\s+(?:AND|OR|WITH)\s+|[()]|\s*[;,&]\s*|\s+and\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Rules:
    """Which licences may come along.

    Attributes:
        permissive: names that are let through, in lower case.
        stated: licences of packages that state none, or in words of their own, with the source.
        named: packages that ask for more, with why they may come all the same.
    """

    permissive: frozenset[str]
    stated: dict[str, str]
    named: dict[str, str]

    @staticmethod
    def read(path: Path = RULES) -> Rules:
        """The rules of a file."""
        content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        allowed = frozenset(name.lower() for name in content["permissive"])
        return Rules(allowed, dict(content["stated"]), dict(content["named"]))

    def licence(self, package: Package) -> str:
        """What holds for a package."""
        return self.stated.get(package.name) or package.licence

    def is_permissive(self, licence: str) -> bool:
        """Whether every part of what is stated is let through."""
        parts = [part.strip().lower() for part in _PARTS.split(licence) if part.strip()]
        return bool(parts) and all(part in self.permissive for part in parts)


def problems(found: Found, rules: Rules) -> list[str]:
    """What may not be handed out as it is, a line for each package."""
    wrong = []
    for package in found.packages.values():
        licence = rules.licence(package)
        if rules.is_permissive(licence):
            continue
        stated = f"states the licence '{licence}'" if licence else "states no licence"
        if package.name not in rules.named:
            wrong.append(f"{package.name} {package.version} {stated}, which is not permissive")
        elif not package.optional:
            wrong.append(f"{package.name} {stated} and comes with every installation")
    known = {*found.packages, *(name for names in found.absent.values() for name in names)}
    wrong += [
        f"{name} stands in {RULES.name} and no extra brings it"
        for name in sorted({*rules.stated, *rules.named} - known)
    ]
    return wrong


def table(found: Found, rules: Rules) -> str:
    """The page of all licences, in Markdown."""
    lines = [
        "# Licences of what genrec brings along",
        "",
        "Made by `make licences` from the packages' own statements; `make sbom` has the versions.",
        "Packages of the core come with every installation, the others with an extra.",
        "",
        "| package | licence | comes with |",
        "|---|---|---|",
    ]
    for package in found.packages.values():
        own = sorted(package.extras - set(GATHERED)) or sorted(package.extras)
        where = CORE if not package.optional else ", ".join(own)
        mark = " *" if package.name in rules.named else ""
        lines.append(f"| {package.name}{mark} | {rules.licence(package)} | {where} |")
    lines += ["", "\\* asks for more than to be named, and comes with an extra only:", ""]
    named = {name: why for name, why in rules.named.items() if name in found.packages}
    lines += [f"- **{name}**: {why}" for name, why in sorted(named.items())]
    if found.absent:
        lines += ["", "Not installed where this page was made, so not looked into:", ""]
        lines += [
            f"- `{extra}`: {', '.join(sorted(names))}"
            for extra, names in sorted(found.absent.items())
            if extra not in GATHERED
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes the page, or compares with it; says what is wrong."""
    found, rules = dependencies(), Rules.read()
    wrong = problems(found, rules)
    text = table(found, rules)
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            wrong.append(f"{PAGE.name} is not what is installed here; write it: make licences")
    else:
        PAGE.write_text(text, encoding="utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(found.packages)} packages, {len(wrong)} problem(s)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
