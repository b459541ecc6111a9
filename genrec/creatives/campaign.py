"""A campaign: who gets ads of what, where, in which words, and for how much. One YAML file.

Everything that is wrong with it is said at once, before a model is loaded. Knows what can be asked
for; knows nothing of how an ad is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WrapValidator,
    model_validator,
)

from genrec.creatives.brief import Brief, unknown_placeholders, unspoken
from genrec.creatives.copy import FREE, MODES, RANK
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.picture_options import PictureOptions
from genrec.data.catalog import Catalog
from genrec.data.filter_language import ItemFilter
from genrec.data.filters import FilterCompiler
from genrec.errors import ConfigError, InputError, nearest
from genrec.shipped import CAMPAIGNS, shipped_file, shipped_names
from genrec.strict_yaml import problems_of, read_yaml, set_options

ALL = "all"
LONGEST_LIST = 1_000_000


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}")
    return values


def _ids(values: Any) -> Any:
    """``all``, or ids as text; whole numbers are read as what they look like."""
    if values is None or values == ALL:
        return values
    if not isinstance(values, list | tuple):
        raise ValueError(f"give a list of ids, or {ALL}, not {values!r:.80}")
    if not 1 <= len(values) <= LONGEST_LIST:
        raise ValueError(f"a list of {len(values):,} ids; it holds from 1 to {LONGEST_LIST:,}")
    wrong = [one for one in values if isinstance(one, bool) or not isinstance(one, str | int)]
    if wrong:
        raise ValueError(f"{wrong[0]!r:.80} is no id; put it in quotes")
    names = [str(one) for one in values]
    if len(set(names)) < len(names):
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        raise ValueError(f"named twice: {', '.join(twice[:20])}")
    return names


def _filter(where: dict[str, Any] | None) -> dict[str, Any] | None:
    if where is not None:
        try:
            ItemFilter.parse(where)
        except InputError as error:
            raise ValueError("\n".join(error.problems) or str(error)) from error
    return where


def _options(values: Any, read: Callable[[Any], Any]) -> Any:
    """Options of another room, whose complaints are listed beside all others."""
    try:
        return read({} if values is True else values)
    except ConfigError as error:
        raise ValueError(str(error)) from error


Ids = Annotated[Literal["all"] | tuple[str, ...] | None, BeforeValidator(_ids)]
Where = Annotated[dict[str, Any] | None, AfterValidator(_filter)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Who(_Section):
    """Who gets ads.

    Attributes:
        users: ids of the data set, or ``all``.
        file: users of a file, one id a line, beside the campaign's file.
        segments: groups by name, or ``all``: one ad is written for all of a group alike.
    """

    users: Ids = None
    file: Annotated[str, Field(min_length=1)] | None = None
    segments: Ids = None

    @model_validator(mode="after")
    def _one(self) -> Who:
        given = [name for name in ("users", "file", "segments") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of users, file and segments, not {' and '.join(given) or 'none'}"
            )
        return self


class Best(_Section):
    """The recommender's best for each user.

    Attributes:
        n: items for each.
        new: leave out what a user had.
        where: which items are allowed, as of ``genrec recommend --where``.
    """

    n: int = Field(default=1, ge=1, le=100)
    new: bool = False
    where: Where = None


class What(_Section):
    """Which items the ads are about.

    Attributes:
        items: ids of the catalogue, or ``all``.
        where: a filter; every item that passes.
        best: the recommender's choice, user by user.
    """

    items: Ids = None
    where: Where = None
    best: Best | None = None

    @model_validator(mode="after")
    def _one(self) -> What:
        given = [name for name in ("items", "where", "best") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of items, where and best, not {' and '.join(given) or 'none'}"
            )
        return self


class Writing(_Section):
    """How the ads are written.

    Attributes:
        mode: ``rank``, ``constrained`` or ``free``.
        model: the text model of free or constrained mode: ``NAME`` of transformers, or
            ``openai:NAME`` of a server.
        adapter: folder of an adapter of that model; not for a server's.
        candidates: texts of which the best is taken.
        seeds: an ad for each.
        policy: of the guard: a shipped name or a file.
    """

    mode: str = "rank"
    model: str | None = None
    adapter: str | None = None
    candidates: int = Field(default=4, ge=1, le=64)
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], AfterValidator(_distinct)
    ] = Field(default=(0,), min_length=1, max_length=1000)
    policy: str = "general"

    @model_validator(mode="after")
    def _fits(self) -> Writing:
        problems = []
        if self.mode not in MODES:
            problems.append(f"mode is '{self.mode}'; {nearest(self.mode, MODES)}")
        elif self.mode == FREE and not self.model:
            problems.append("free mode needs a model, such as smollm2-135m or openai:NAME")
        if self.mode == RANK and (self.model or self.adapter):
            problems.append("model and adapter are of free and constrained mode, not of rank")
        if problems:
            raise ValueError("\n".join(problems))
        return self


class Budget(_Section):
    """When to stop. What is left is listed, and the same command goes on when there is more.

    Attributes:
        jobs: ads that this folder may write, over all its runs; those from the cache are free.
        pictures: pictures that this folder may make, likewise; and films.
        money: what they may cost, in the currency of the prices, over all its runs.
        price_in: of 1,000 tokens that a model reads.
        price_out: of 1,000 tokens that it writes.
        seconds: of one run.
    """

    jobs: int | None = Field(default=None, ge=0)
    pictures: int | None = Field(default=None, ge=0)
    films: int | None = Field(default=None, ge=0)
    money: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_in: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    price_out: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _has_prices(self) -> Budget:
        if self.money is not None and not (self.price_in or self.price_out):
            raise ValueError("money needs price_in or price_out, the price of 1,000 tokens")
        return self


class Campaign(_Section):
    """Who gets ads of what, where and how.

    Attributes:
        name: in exports and on the review page; no ad depends on it.
        placements: channels, such as ``push`` and ``email``.
        languages: ISO 639-1 codes.
        picture: how a picture of each ad is made; left out, there are none. ``film`` likewise.
    """

    name: str = Field(pattern=r"^[\w.-]{1,80}$")
    who: Who
    what: What
    placements: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        min_length=1, max_length=50
    )
    languages: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        default=("en",), min_length=1, max_length=50
    )
    brief: Brief = Brief()
    write: Writing = Writing()
    picture: Annotated[PictureOptions, WrapValidator(_options)] | None = None
    film: Annotated[FilmOptions, WrapValidator(_options)] | None = None
    budget: Budget = Budget()
    _folder: Path = PrivateAttr(Path())

    @model_validator(mode="after")
    def _fits(self) -> Campaign:
        if self.who.segments is not None and self.what.best is not None:
            raise ValueError(
                "what.best asks the recommender for each user, and who.segments names no users: "
                "name users, or items by what.items or what.where"
            )
        return self

    @staticmethod
    def load(name: str | Path, overrides: Sequence[str] = ()) -> Campaign:
        """A shipped campaign by name, or one from a file, with ``section.option=value`` overrides.

        Raises:
            InputError: the file cannot be read, or does not fit; lists every problem.
            ConfigError: no such shipped campaign.
        """
        path = Path(name)
        if path.suffix not in (".yaml", ".yml"):
            if str(name) not in shipped_names(CAMPAIGNS):
                raise ConfigError(
                    f"No campaign '{name}'; {nearest(str(name), shipped_names(CAMPAIGNS))}\n"
                    "A campaign of your own is named by its path, ending in .yaml."
                )
            path = shipped_file(CAMPAIGNS, str(name))
        content = read_yaml(path, "campaign")
        set_options(content, overrides, example="budget.jobs=500")
        return Campaign.parse(content, where=str(name), folder=path.parent)

    @staticmethod
    def parse(content: dict[str, Any], *, where: str = "given", folder: Path = Path()) -> Campaign:
        """A campaign from plain values.

        Args:
            folder: of the campaign's file, which the files that it names lie beside.

        Raises:
            InputError: lists every problem.
        """
        content, problems = _with_files(content, folder)
        found: Campaign | None = None
        cause: ValidationError | None = None
        try:
            found = Campaign.model_validate(content)
        except ValidationError as error:
            problems, cause = [*problems_of(error, Campaign), *problems], error
        if found is None or problems:
            raise InputError(
                f"The campaign {where} has {len(problems)} problem(s).", problems
            ) from cause
        found._folder = folder
        return found

    def check(self, catalog: Catalog, *, channels: Iterable[str], languages: Iterable[str]) -> None:
        """Compares what is asked for with what there is.

        Raises:
            InputError: lists every channel, language, item, attribute and placeholder that is
                not there.
        """
        problems = [
            *_unknown("placements", self.placements, list(channels)),
            *_unknown("languages", self.languages, list(languages)),
            *(
                f"brief: {line}"
                for line in unknown_placeholders(self.brief, catalog.attribute_names)
            ),
            *(f"brief: {line}" for line in unspoken(self.brief, self.languages)),
            *_unknown_items(self.what.items, catalog),
        ]
        rules = self.what.where if self.what.where is not None else self._best_where
        if rules is not None:
            try:
                compiled = FilterCompiler(catalog).compile(rules)
                if compiled.allowed is not None and not compiled.allowed.any():
                    problems.append(f"what: none of {len(catalog):,} items passes the filter")
            except InputError as error:
                problems += [f"what: {line}" for line in error.problems or [str(error)]]
        if problems:
            raise InputError(f"The campaign '{self.name}' asks for what is not there.", problems)

    def named_users(self) -> list[str] | None:
        """The users that are named here or in the file; ``None`` for all.

        Raises:
            InputError: the file cannot be read, is empty, or names a user twice.
        """
        if self.who.file is None:
            return None if self.who.users in (None, ALL) else list(self.who.users or ())
        path = self._folder / self.who.file
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise InputError(f"who.file: {path} cannot be read: {reason}.") from error
        users = [line.strip() for line in lines if line.strip()]
        try:
            return list(_ids(users))
        except ValueError as error:
            raise InputError(f"who.file: {path}: {error}.") from error

    @property
    def media(self) -> dict[str, Any]:
        """What is asked for beside texts, as JSON values; empty where it is nothing."""
        return self.model_dump(mode="json", include={"picture", "film"}, exclude_none=True)

    def with_media(self, media: Mapping[str, Any]) -> Campaign:
        """The campaign with pictures or films that it does not ask for itself.

        Raises:
            InputError: what is given does not fit.
        """
        given = {name: one for name, one in media.items() if getattr(self, name) is None}
        if not given:
            return self
        values = self.model_dump(mode="json", exclude_none=True)
        return Campaign.parse({**values, **given}, where=self.name, folder=self._folder)

    @property
    def _best_where(self) -> dict[str, Any] | None:
        return self.what.best.where if self.what.best else None

    @property
    def about(self) -> dict[str, Any]:
        """What is asked for, as JSON values; without the budget, which decides no ad.

        Nor do pictures and films, which can be asked for later. Users of a file stand in it by
        name, so that it can be read without the file.
        """
        values = self.model_dump(mode="json", exclude={"budget", "picture", "film"})
        if self.who.file is not None:
            values["who"] = {"users": self.named_users()}
        return values


def _with_files(content: dict[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The content with whole paths of its pictures' files, and what is wrong with these."""
    section = content.get("picture")
    if not isinstance(section, dict):
        return content, []
    from genrec.creatives.look import with_files

    picture, problems = with_files(section, folder)
    return {**content, "picture": picture}, [f"picture.{problem}" for problem in problems]


def _unknown(place: str, given: Sequence[str], valid: Collection[str]) -> Iterator[str]:
    for name in given:
        if name not in valid:
            yield f"{place}: there is no '{name}'; {nearest(name, valid)}"


def _unknown_items(items: str | tuple[str, ...] | None, catalog: Catalog) -> Iterator[str]:
    if isinstance(items, tuple):
        for item_id in items:
            if not catalog.has(item_id):
                yield f"what.items: the catalogue has no item '{item_id}'"
