"""Font files by family and weight, what letters each has, and which steps in for another.

Knows files and letters; knows nothing of lines or posters.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from genrec.errors import ConfigError, GenrecError, InputError, MissingExtra, nearest
from genrec.strict_yaml import read_yaml

_SHIPPED = Path(__file__).with_name("fonts.yaml")
BOLD = 600
# Letters that are never drawn: nothing has to have them.
_UNDRAWN = frozenset("\u200c\u200d\ufe0e\ufe0f")
# Signs and emoji, without which a text says the same; currencies and what stands in sums are not.
_SIGNS = ("So", "Sk", "Cs")
# What only joins, frames or colours the sign before it.
_JOINERS = "\u200d\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f"
_KINDS = ("light", "bold")
_FAMILY_KEYS = ("package", "distribution", "folder", "extra", "weights")


@dataclass(frozen=True, eq=False)
class FontFile:
    """One file of letters, opened.

    Attributes:
        name: of the file, without its ending.
        units: of the font, per em.
        ascent: how far letters reach up, in em; ``descent`` down, above 0.
        letters: code points that it has.
        digest: of its bytes.
    """

    name: str
    font: Any
    units: int
    ascent: float
    descent: float
    letters: frozenset[int] = field(repr=False)
    digest: str
    outlines: dict[int, str] = field(default_factory=dict, repr=False)
    inks: dict[int, tuple[float, float, float, float]] = field(default_factory=dict, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def has(self, text: str) -> bool:
        """Whether it has every letter of a text."""
        return all(ord(letter) in self.letters or letter in _UNDRAWN for letter in text)

    def outline(self, glyph: int) -> str:
        """A glyph as an SVG path in font units, y up; empty for a blank."""
        # HarfBuzz fonts may not be asked by two threads at once.
        with self.lock:
            if glyph not in self.outlines:
                self.outlines[glyph] = _outline(self.font, glyph)
            return self.outlines[glyph]

    def ink(self, glyph: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what is drawn of a glyph, in em, y up."""
        with self.lock:
            if glyph not in self.inks:
                found = self.font.get_glyph_extents(glyph)
                units = self.units
                self.inks[glyph] = (
                    found.x_bearing / units,
                    found.y_bearing / units,
                    (found.x_bearing + found.width) / units,
                    (found.y_bearing + found.height) / units,
                )
            return self.inks[glyph]


@dataclass(frozen=True)
class FontBook:
    """Families and fallbacks, read from a file such as the shipped ``fonts.yaml``.

    Attributes:
        families: name to ``package``, ``folder`` and ``weights``.
        fallbacks: names for weights below ``BOLD``, and from there on.
        root: what folders of families without a package are relative to.
        own: names of the families that a file of your own brought.
    """

    families: Mapping[str, Mapping[str, Any]]
    fallbacks: Mapping[str, tuple[str, ...]]
    root: Path
    own: tuple[str, ...] = ()
    _chains: dict[tuple[str, int], tuple[FontFile, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @staticmethod
    def load(path: Path | None = None) -> FontBook:
        """The shipped fonts, and before them those of a file of your own in the same form.

        A family of the file takes the place of a shipped one of its name, and its fallbacks are
        asked before the shipped ones. Its fonts lie beside it.

        Raises:
            ConfigError: the file or a font of it does not fit; names all problems at once.
            InputError: the file cannot be read.
        """
        return _shipped() if path is None else _added(path)

    @property
    def identity(self) -> str:
        """A hash of the families that a file brought, and of the order of all; empty without."""
        if not self.own:
            return ""
        files = {
            name: {
                str(weight): self.file(name, weight).digest
                for weight in self.families[name]["weights"]
            }
            for name in self.own
        }
        told = json.dumps([files, dict(self.fallbacks)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def chain(self, family: str, weight: int) -> tuple[FontFile, ...]:
        """The family's file of the nearest weight, then those that step in for it.

        Raises:
            ConfigError: no such family.
            MissingExtra: the package of the family itself is not installed. Fallbacks that are not
                installed are left out.
        """
        if (family, weight) in self._chains:
            return self._chains[family, weight]
        if family not in self.families:
            raise ConfigError(
                f"There is no font family '{family}'; {nearest(family, self.families)}"
            )
        found = [self.file(family, weight)]
        for name in self.fallbacks["bold" if weight >= BOLD else "light"]:
            if name != family:
                try:
                    found.append(self.file(name, weight))
                except MissingExtra:
                    continue
        self._chains[family, weight] = tuple(found)
        return self._chains[family, weight]

    def missing(self, text: str, family: str, weight: int = 400) -> list[str]:
        """Letters of a text that no font of the chain has, each once, in order."""
        chain = self.chain(family, weight)
        return [
            letter
            for letter in dict.fromkeys(text)
            if not letter.isspace() and not any(font.has(letter) for font in chain)
        ]

    def without_signs(self, text: str, families: Iterable[str]) -> tuple[str, list[str]]:
        """A text without signs and emoji that not all of the families can draw, and these.

        Letters, figures and currencies stay, drawn or not: without them a text says another thing.
        """
        absent = {
            letter: None
            for family in families
            for weight in (400, 700)
            for letter in self.missing(text, family, weight)
            if unicodedata.category(letter) in _SIGNS or re.match(f"[{_JOINERS}]", letter)
        }
        if not absent:
            return text, []
        signs = "".join(re.escape(letter) for letter in absent)
        some = rf"\s*[{signs}{_JOINERS}]*[{signs}][{signs}{_JOINERS}]*"
        # No blank is left before a comma or at the end, and one between words that a sign parted.
        left = re.sub(rf"{some}(?=[\s,.;:!?)]|$)", "", text)
        return re.sub(rf"{some}\s*", " ", left).strip(), list(absent)

    def refuse_missing(self, texts: Mapping[str, str], family: str) -> None:
        """Refuses texts with letters that no font has.

        Raises:
            InputError: names each field with its letters and what would bring them.
        """
        problems = []
        for name, text in texts.items():
            if absent := self.missing(text, family):
                shown = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in absent[:8])
                problems.append(f"{name}: no font has {shown}{self._advice(absent)}")
        if problems:
            raise InputError("Some letters cannot be drawn", problems)

    def _advice(self, letters: Iterable[str]) -> str:
        wide = any(unicodedata.east_asian_width(letter) in "WF" for letter in letters)
        kinds = {unicodedata.category(letter) for letter in letters}
        if kinds <= {"So", "Sk", "Cs"}:
            return "; leave signs and emoji out"
        if wide and not all(self._installed(name) for name in self.fallbacks["light"]):
            return "; for Chinese, Japanese and Korean: pip install 'genrec[cjk]'"
        return "; name a file of fonts that has them: picture.fonts of a campaign"

    def _installed(self, name: str) -> bool:
        package = self.families[name].get("package")
        return not package or find_spec(package) is not None

    def file(self, family: str, weight: int) -> FontFile:
        """The family's file of the nearest weight.

        Raises:
            ConfigError: it cannot be read, or is no font.
            MissingExtra: the package of the family is not installed.
        """
        about = self.families[family]
        weights = about["weights"]
        name = weights[min(weights, key=lambda one: (abs(one - weight), -one))]
        if package := about.get("package"):
            spec = find_spec(package)
            if spec is None or not spec.submodule_search_locations:
                raise MissingExtra(
                    about.get("distribution", package), about.get("extra", "ads"), f"Font {family}"
                )
            root = Path(next(iter(spec.submodule_search_locations)))
        else:
            root = self.root
        return _open(root / about.get("folder", "") / name)


@cache
def _shipped() -> FontBook:
    return _read(_SHIPPED)


def _read(path: Path) -> FontBook:
    content = read_yaml(path, "fonts")
    problems = list(_misfits(content, known=()))
    if not content.get("families"):
        problems.append("families: there are none")
    _refuse(path, problems)
    chains = {kind: tuple((content.get("fallbacks") or {}).get(kind, ())) for kind in _KINDS}
    return FontBook(content["families"], chains, path.parent)


def _added(path: Path) -> FontBook:
    """The shipped fonts, and before them those of a file in the same form."""
    shipped, content = _shipped(), read_yaml(path, "fonts")
    problems = list(_misfits(content, known=shipped.families))
    own = content.get("families") or {}
    if not own:
        problems.append("families: there are none; name the families that the file adds")
    _refuse(path, problems)
    families = {}
    for name, about in shipped.families.items():
        # Folders of the shipped ones are relative to their own file. One whose name is taken still
        # brings the letters that the other has not.
        place = {} if "package" in about else {"folder": str(shipped.root / about["folder"])}
        families[f"shipped {name}" if name in own else name] = {**about, **place}
    asked, chains = content.get("fallbacks") or {}, {}
    for kind in _KINDS:
        last = [
            one
            for name in shipped.fallbacks[kind]
            for one in ((name, f"shipped {name}") if name in own else (name,))
        ]
        chains[kind] = tuple(dict.fromkeys((*asked.get(kind, ()), *last)))
    book = FontBook({**families, **own}, chains, path.parent, tuple(own))
    for name in own:
        for weight in own[name]["weights"]:
            try:
                book.file(name, weight)
            except GenrecError as error:
                problems.append(f"families.{name}.weights.{weight}: {error}")
    _refuse(path, problems)
    return book


def _refuse(path: Path, problems: list[str]) -> None:
    if problems:
        raise ConfigError(
            f"The fonts of {path} do not fit:\n" + "\n".join(f"  - {p}" for p in problems)
        )


def _misfits(content: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    """What of a file does not fit; ``known`` are families that need not be in it."""
    for key in content:
        if key not in ("families", "fallbacks"):
            yield f"{key} is not known; {nearest(key, ('families', 'fallbacks'))}"
    families, fallbacks = content.get("families") or {}, content.get("fallbacks") or {}
    for name, section in (("families", families), ("fallbacks", fallbacks)):
        if not isinstance(section, dict):
            yield f"{name} is no mapping of names to values"
            return
    for name, about in families.items():
        yield from _family_misfits(name, about)
    for kind, names in fallbacks.items():
        if kind not in _KINDS:
            yield f"fallbacks.{kind} is not known; {nearest(str(kind), _KINDS)}"
        elif not isinstance(names, list):
            yield f"fallbacks.{kind} is no list of families"
        else:
            valid = [*families, *known]
            for name in names:
                if name not in valid:
                    close = nearest(str(name), valid)
                    yield f"fallbacks.{kind}: there is no family '{name}'; {close}"


def _family_misfits(name: str, about: Any) -> Iterator[str]:
    if not isinstance(about, dict) or not isinstance(about.get("weights"), dict):
        yield f"families.{name} has no weights, such as weights: {{400: Mine.ttf}}"
        return
    for key in about:
        if key not in _FAMILY_KEYS:
            yield f"families.{name}.{key}: {nearest(str(key), _FAMILY_KEYS)}"
        elif key != "weights" and not isinstance(about[key], str):
            yield f"families.{name}.{key}: {about[key]!r} is no text"
    if not about["weights"]:
        yield f"families.{name}.weights is empty"
    for weight, file in about["weights"].items():
        if not isinstance(weight, int) or isinstance(weight, bool):
            yield f"families.{name}.weights: {weight!r} is no number"
        if not isinstance(file, str):
            yield f"families.{name}.weights: {file!r} is no name of a file"


@cache
def _open(path: Path) -> FontFile:
    try:
        import uharfbuzz as hb
    except ModuleNotFoundError as error:
        raise MissingExtra("uharfbuzz", "ads", "Setting text") from error
    try:
        content = path.read_bytes()
        face = hb.Face(content)
    except OSError as error:
        raise ConfigError(f"The font {path.name} cannot be read: {error.strerror}") from error
    letters = frozenset(face.unicodes)
    if not letters:
        raise ConfigError(f"{path.name} is no font, or has no letters")
    font = hb.Font(face)
    extents = font.get_font_extents("ltr")
    units = face.upem
    return FontFile(
        name=path.stem,
        font=font,
        units=units,
        ascent=extents.ascender / units,
        descent=-extents.descender / units,
        letters=letters,
        digest=hashlib.sha256(content).hexdigest()[:16],
    )


def _outline(font: Any, glyph: int) -> str:
    import uharfbuzz as hb

    steps: list[str] = []

    def note(letter: str) -> Any:
        def add(*values: Any) -> None:
            numbers = [value for value in values if isinstance(value, int | float)]
            steps.append(letter + " ".join(f"{number:g}" for number in numbers))

        return add

    funcs = hb.DrawFuncs()
    funcs.set_move_to_func(note("M"))
    funcs.set_line_to_func(note("L"))
    funcs.set_quadratic_to_func(note("Q"))
    funcs.set_cubic_to_func(note("C"))
    funcs.set_close_path_func(note("Z"))
    font.draw_glyph(glyph, funcs)
    return "".join(steps)
