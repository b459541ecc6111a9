"""What genrec brings along when it is installed, found in the packages that are installed here.

Knows names, versions, licences as their authors state them, and which extra asks for what.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent
# What only those who work on genrec install.
OWN_WORK = ("dev", "test", "docs", "release")
# Extras that gather others.
GATHERED = ("all", "demo")
CORE = "core"


@dataclass
class Package:
    """One package that some installation of genrec brings.

    Attributes:
        licence: as its author states it; empty if nowhere.
        extras: of genrec, that bring it; ``core`` for what every installation has.
        needs: names of the packages that it asks for itself.
    """

    name: str
    version: str
    licence: str
    extras: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)

    @property
    def optional(self) -> bool:
        """Whether genrec works without it."""
        return CORE not in self.extras


@dataclass(frozen=True)
class Found:
    """Every package that was found, by name, and those that are not installed here, by extra."""

    packages: dict[str, Package]
    absent: dict[str, set[str]]


def project() -> dict[str, Any]:
    """The section ``project`` of pyproject.toml."""
    content = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    found: dict[str, Any] = content["project"]
    return found


def dependencies() -> Found:
    """Packages of the core and of every extra for users, with all that those ask for."""
    about = project()
    extras: dict[str, list[str]] = about["optional-dependencies"]
    roots: dict[str, list[str]] = {CORE: about["dependencies"]}
    roots |= {name: asked for name, asked in extras.items() if name not in (*OWN_WORK, *GATHERED)}
    roots |= {name: extras[name] for name in GATHERED if name in extras}
    packages: dict[str, Package] = {}
    absent: dict[str, set[str]] = {}
    for extra, asked in roots.items():
        for requirement in requirements(asked, about=str(about["name"]), extras=extras):
            _collect(requirement, extra, packages, absent)
    return Found(dict(sorted(packages.items())), absent)


def requirements(
    asked: Iterable[str], *, about: str, extras: dict[str, list[str]]
) -> Iterator[Requirement]:
    """What an extra asks for, the extras that it names in turn included."""
    for line in asked:
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) == canonicalize_name(about):
            for extra in requirement.extras:
                yield from requirements(extras[extra], about=about, extras=extras)
        else:
            yield requirement


def _collect(
    requirement: Requirement,
    extra: str,
    packages: dict[str, Package],
    absent: dict[str, set[str]],
) -> None:
    name = canonicalize_name(requirement.name)
    try:
        held = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        absent.setdefault(extra, set()).add(name)
        return
    package = packages.get(name)
    if package is None:
        package = packages[name] = Package(name, held.version, licence_of(held.metadata))
    wanted = list(_asked_by(held, requirement.extras))
    known = package.needs.issuperset(canonicalize_name(one.name) for one in wanted)
    if extra in package.extras and known:
        return
    package.extras.add(extra)
    package.needs |= {canonicalize_name(one.name) for one in wanted}
    for one in wanted:
        _collect(one, extra, packages, absent)


def _asked_by(held: metadata.Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    environment = {name: str(value) for name, value in default_environment().items()}
    for line in held.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker is None or any(
            marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)
        ):
            yield requirement


def licence_of(about: metadata.PackageMetadata) -> str:
    """What a package states: an SPDX expression, else its classifiers, else its own words."""
    if expression := about.get("License-Expression"):
        return str(expression)
    classes = [
        line.rpartition("::")[2].strip()
        for line in about.get_all("Classifier") or ()
        if line.startswith("License ::")
    ]
    classes = [name for name in classes if name != "OSI Approved"]
    if classes:
        return " AND ".join(sorted(set(classes)))
    words = str(about.get("License") or "").strip()
    # Some put the whole text there; its first line names it.
    first = re.split(r"[\r\n]", words)[0].strip()
    return "" if first.upper() == "UNKNOWN" else first[:80]
