"""Prompts as files: one job each, found by name, hashed, and strict about what they are given.

A template opens with a comment that lists what it needs and returns. What a user wrote goes in as
a variable; it is never read as a template. This module knows no model and sends nothing anywhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateSyntaxError, UndefinedError, meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from genrec.errors import ConfigError, InputError, nearest
from genrec.shipped import PROMPTS, SUFFIXES, shipped_folder

SUFFIX = SUFFIXES[PROMPTS]
_OPENING = re.compile(r"\A\s*\{#-?(?P<text>.*?)-?#\}", re.DOTALL)
_NEEDS = re.compile(r"^\s*needs:(?P<needs>.*?)^\s*returns:(?P<returns>.*)\Z", re.DOTALL | re.M)
_EXPLANATION = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class PromptHeader:
    """What a template says of itself in its opening comment.

    Attributes:
        purpose: what the prompt is for.
        needs: names of the variables it must be given.
        returns: what the model, or the caller, gets from it.
    """

    purpose: str
    needs: frozenset[str]
    returns: str


@dataclass
class PromptLibrary:
    """The prompts of one or more folders; an earlier folder hides a later one's prompt.

    Args:
        folders: own folders first; the shipped prompts always come last.
    """

    folders: Sequence[Path] = ()
    _used: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        missing = [folder for folder in self.folders if not Path(folder).is_dir()]
        if missing:
            raise ConfigError(f"There is no prompt folder {missing[0]}. Check the path.")
        self._search = [*(Path(folder) for folder in self.folders), shipped_folder(PROMPTS)]
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self._search),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @property
    def names(self) -> list[str]:
        """All prompt names, such as ``recommend/next_item``, sorted."""
        found = {
            path.relative_to(folder).with_suffix("").as_posix()
            for folder in self._search
            for path in folder.rglob(f"*{SUFFIX}")
        }
        return sorted(found)

    def source(self, name: str) -> str:
        """A template's text.

        Raises:
            ConfigError: no prompt has that name.
        """
        if name not in self.names:
            raise ConfigError(f"There is no prompt '{name}'; {nearest(name, self.names)}")
        path = next(p for folder in self._search if (p := folder / f"{name}{SUFFIX}").is_file())
        return path.read_text(encoding="utf-8")

    def hash(self, name: str) -> str:
        """A hash of a template's text and of every template that it includes."""
        digest = hashlib.sha256()
        for part in sorted({name, *self._included(name)}):
            digest.update(f"{part}\0{self.source(part)}\0".encode())
        return digest.hexdigest()[:16]

    def header(self, name: str) -> PromptHeader:
        """What the opening comment says.

        Raises:
            ConfigError: the comment is missing or lacks ``needs:`` or ``returns:``.
        """
        opening = _OPENING.match(self.source(name))
        listed = _NEEDS.search(opening["text"]) if opening else None
        if opening is None or listed is None:
            raise ConfigError(
                f"The prompt '{name}' does not open with a comment that says 'needs:' and "
                "'returns:'. Add one: {#- What it does. / needs: a (what), b / returns: … -#}"
            )
        names = _EXPLANATION.sub("", listed["needs"]).replace("\n", ",").split(",")
        needs = {part.strip() for part in names if part.strip() not in ("", "nothing")}
        return PromptHeader(
            purpose=" ".join(opening["text"][: listed.start()].split()),
            needs=frozenset(needs),
            returns=" ".join(listed["returns"].split()),
        )

    def variables(self, name: str) -> frozenset[str]:
        """Names that a template and what it includes read from outside, as Jinja finds them."""
        found: set[str] = set()
        for part in {name, *self._included(name)}:
            found |= meta.find_undeclared_variables(self._parse(part))
        return frozenset(found - set(self._environment.globals))

    def render(self, name: str, /, **variables: object) -> str:
        """The prompt's text, without white space at either end.

        Args:
            name: such as ``recommend/next_item``.
            variables: what the template needs, no more and no less; strings are data, so
                ``{{ … }}`` in them stays as it is.

        Raises:
            ConfigError: no such prompt, or the template is wrong.
            InputError: a variable is missing, unknown or of the wrong shape; lists all of them.
        """
        wanted = self.variables(name)
        problems = [f"'{missing}' is missing" for missing in sorted(wanted - set(variables))]
        for extra in sorted(set(variables) - wanted):
            problems.append(f"'{extra}' is not used by it; {nearest(extra, wanted)}")
        if problems:
            raise InputError(
                f"The prompt '{name}' was given other variables than it needs.", problems
            )
        try:
            text = self._environment.get_template(f"{name}{SUFFIX}").render(**variables)
        except (UndefinedError, SecurityError, TypeError) as error:
            raise InputError(f"The prompt '{name}' could not be filled in: {error}.") from error
        self._used[name] = self.hash(name)
        return text.strip()

    def used(self) -> dict[str, str]:
        """Hash by name of every prompt rendered so far, for a run's record."""
        return dict(sorted(self._used.items()))

    def _parse(self, name: str):  # type: ignore[no-untyped-def]
        try:
            return self._environment.parse(self.source(name))
        except TemplateSyntaxError as error:
            raise ConfigError(
                f"The prompt '{name}' is not valid Jinja: line {error.lineno}: {error.message}."
            ) from error

    def _included(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            for reference in meta.find_referenced_templates(self._parse(waiting.pop())):
                if reference is None:
                    raise ConfigError(
                        f"The prompt '{name}' includes a template whose name is computed. "
                        "Write the name out, so that its hash covers it."
                    )
                part = reference.removesuffix(SUFFIX)
                if part not in found:
                    found.add(part)
                    waiting.append(part)
        return found
