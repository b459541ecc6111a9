"""Every error that a caller of genrec can act on.

::

    GenrecError                 the one root to catch
    ├── InputError              a table, catalogue, history or file that cannot be used as it is
    ├── ConfigError             a recipe, option or name that does not exist or does not fit
    ├── ArtefactError           a workspace artefact that is missing, truncated or tampered with
    ├── MissingExtra            a package that this feature needs is not installed
    └── StorageError            the disk is full or cannot be written

A message says what happened, with the value, and then what to do.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

# No package index has genrec, so its name alone would not lead to it.
UPGRADE = (
    "Upgrade genrec: in a checkout, git pull and pip install '.[…]' with your extras; otherwise "
    "pip install the file of a newer wheel"
)
__all__ = [
    "ArtefactError",
    "ConfigError",
    "GenrecError",
    "InputError",
    "MissingExtra",
    "StorageError",
    "closest",
    "nearest",
]


class GenrecError(Exception):
    """The root of all errors that genrec raises on purpose."""


class InputError(GenrecError):
    """Input that cannot be used; ``problems`` holds every problem found, not only the first."""

    SHOWN = 20

    def __init__(self, what: str, problems: Sequence[str] = ()) -> None:
        self.problems = list(problems)
        lines = [what, *(f"  - {problem}" for problem in self.problems[: self.SHOWN])]
        if len(self.problems) > self.SHOWN:
            lines.append(f"  - and {len(self.problems) - self.SHOWN} more (see .problems)")
        super().__init__("\n".join(lines))


class ConfigError(GenrecError):
    """A recipe, option or name that does not exist or does not fit."""


class ArtefactError(GenrecError):
    """A stored artefact that is missing, truncated, tampered with or from another format."""


class MissingExtra(GenrecError):
    """A package that is needed here is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed. "
            f"Install it: pip install 'genrec[{extra}]'"
        )


class StorageError(GenrecError):
    """Writing failed; what stood there before is untouched."""


# So many names are listed where none is close; of more there are examples.
MOST_NAMES = 100
# Names are compared with so many, where they are no longer than that.
_MOST_COMPARED, _LONGEST_NAME = 5000, 200


def closest(name: str, valid: Sequence[str]) -> str | None:
    """The valid name that is most like this one, if one is.

    Of thousands only those are compared that begin alike, and none that is as long as a page:
    that would take seconds.
    """
    if len(name) > _LONGEST_NAME:
        return None
    if len(valid) > _MOST_COMPARED:
        valid = [option for option in valid if option.startswith(name[:3])][:_MOST_COMPARED]
    names = [option for option in valid if len(option) <= _LONGEST_NAME]
    return next(iter(get_close_matches(name, names, n=1)), None)


def nearest(name: str, valid: Iterable[str]) -> str:
    """A clause that names the closest valid name, or lists the valid names when none is close."""
    names = sorted(str(option) for option in valid)
    if close := closest(name, names):
        return f"did you mean '{close}'?"
    if len(names) > MOST_NAMES:
        # The ids of a catalogue would fill a page, or an agent's whole window.
        return f"{len(names):,} names are valid, such as {', '.join(names[:5])}"
    return f"valid names: {', '.join(names)}" if names else "there are none"
