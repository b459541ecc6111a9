"""A recipe: the options of every layer in one YAML file. Only ``stages`` reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from genrec.bounds import outside
from genrec.data.dataset import SPLITS
from genrec.data.sources import SOURCES
from genrec.decoding.options import DecodeConfig
from genrec.encoders.options import EncodeConfig
from genrec.errors import ConfigError, nearest
from genrec.evaluation.controls import CONTROLS
from genrec.evaluation.update_options import UpdateConfig
from genrec.llm.options import BackboneConfig
from genrec.profiles.options import ProfileConfig, SegmentConfig
from genrec.recommenders.options import (
    GenerativeConfig,
    HybridConfig,
    OnePassConfig,
    PromptConfig,
    TaskConfig,
)
from genrec.search_space import RANGE_KEYS, SearchSpace
from genrec.semantic_ids.options import SemanticIdConfig
from genrec.shipped import RECIPES, shipped_file, shipped_names
from genrec.strict_yaml import said_of, set_options
from genrec.training.finetune_options import FinetuneConfig
from genrec.training.options import FitConfig, SftConfig
from genrec.training.preference_options import PreferenceConfig
from genrec.training.pretrain_options import PretrainConfig

# What a search leaves alone: other data or another protocol would make other figures of it, and a
# lucky seed, or more looks at the validation cases, would win by chance.
NOT_SEARCHED = (
    "name", "data", "evaluate", "update", "pretrain", "finetune", "preference", "profiles",
    "segments", "tune",
)  # fmt: skip
NOT_DRAWN = ("train.seed", "train.validate_every", "train.patience", "train.checkpoint_every")


@dataclass(frozen=True)
class DataConfig:
    """Where the data comes from and what is kept of it.

    Attributes:
        source: a registered source, as ``genrec ls data`` lists them.
        options: of the source, such as the files and the column mapping of ``tables``.
        core: keep users and items with at least this many events or partners; 0 keeps all.
        core_basis: ``events`` or ``distinct``.
        min_user: of users, where it is not ``core``; 0 takes ``core``.
        min_item: of items, likewise.
    """

    __pydantic_config__ = {"extra": "forbid"}

    source: str
    options: dict[str, Any] = field(default_factory=dict)
    core: int = 0
    core_basis: str = "events"
    min_user: int = 0
    min_item: int = 0

    def __post_init__(self) -> None:
        SOURCES.entry(self.source)
        if problems := outside(self, core="[0, inf)", min_user="[0, inf)", min_item="[0, inf)"):
            raise ConfigError("\n".join(problems))


@dataclass(frozen=True)
class EvaluateConfig:
    """How the result is judged.

    Attributes:
        split: how test cases are held out.
        against: controls to train and judge beside it.
        control_options: for a control, options of its training.
        exclude_seen: leave items of the user's own history out of all lists.
        refit: train on everything before the test cases. With ``train.validate_every`` the number
            of steps is chosen on validation cases first, which costs a second training.
        validation_users: users whose validation cases are looked at during training, drawn by the
            training seed; 0 looks at all. Learning from preference looks at the same, but at no
            more than half of all, since the others decide at its gate.
        test_users: judge only so many test users, drawn by the training seed; 0 judges all.
        drop_cold_targets: leave out targets that were never trained on.
        drop_seen_targets: leave out targets that the user had before.
        show_user: whose recommendations are printed at the end; empty takes a typical one.
    """

    __pydantic_config__ = {"extra": "forbid"}

    split: str = "last-out"
    against: list[str] = field(default_factory=lambda: ["popular", "cooccurrence", "sasrec"])
    control_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    exclude_seen: bool = False
    refit: bool = False
    validation_users: int = 500
    test_users: int = 0
    drop_cold_targets: bool = False
    drop_seen_targets: bool = False
    show_user: str = ""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ConfigError(f"No split '{self.split}'; {nearest(self.split, SPLITS)}")
        if problems := outside(self, validation_users="[0, inf)", test_users="[0, inf)"):
            raise ConfigError("\n".join(problems))
        for name in self.against:
            CONTROLS.entry(name)


class Recipe(BaseModel):
    """All options of a run; what is not named has its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    data: DataConfig
    encode: EncodeConfig = EncodeConfig()
    pretrain: PretrainConfig | None = None
    finetune: FinetuneConfig | None = None
    semantic_ids: SemanticIdConfig = SemanticIdConfig()
    llm: BackboneConfig = BackboneConfig()
    prompt: PromptConfig = PromptConfig()
    packing: SftConfig = SftConfig()
    tasks: TaskConfig = TaskConfig()
    train: FitConfig = FitConfig()
    decode: DecodeConfig = DecodeConfig()
    one_pass: OnePassConfig | None = None
    hybrid: HybridConfig | None = None
    preference: PreferenceConfig | None = None
    evaluate: EvaluateConfig = EvaluateConfig()
    update: UpdateConfig = UpdateConfig()
    profiles: ProfileConfig = ProfileConfig()
    segments: SegmentConfig = SegmentConfig()
    tune: dict[str, Any] | None = None

    @field_validator("*", mode="wrap")
    @classmethod
    def _gathered(cls, value: Any, check: Callable[[Any], Any]) -> Any:
        # What a section says of itself joins the problems of the others.
        try:
            return check(value)
        except ConfigError as error:
            raise ValueError(str(error)) from error

    @field_validator("name")
    @classmethod
    def _is_plain(cls, name: str) -> str:
        if not re.fullmatch(r"[\w.-]+", name):
            raise ValueError("use letters, digits, '.', '_' and '-' only")
        return name

    @field_validator("tune")
    @classmethod
    def _is_space(cls, written: dict[str, Any] | None) -> dict[str, Any] | None:
        if written is not None:
            try:
                SearchSpace.parse(written)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return written

    @model_validator(mode="after")
    def _ranges_fit(self) -> Recipe:
        if problems := [line for path in self.tune or {} for line in _unfit(self, path)]:
            raise ValueError("\n".join(f"tune: {line}" for line in problems))
        return self

    @property
    def search_space(self) -> SearchSpace:
        """What ``genrec tune`` may try.

        Raises:
            ConfigError: the recipe declares nothing.
        """
        if self.tune is None:
            raise ConfigError(
                f"The recipe {self.name} declares no ranges. Add a section: "
                "tune: {train.learning_rate: {low: 0.0003, high: 0.01, log: true}}"
            )
        return SearchSpace.parse(self.tune)

    def option(self, path: str) -> Any:
        """The value of an option by its path, such as ``train.steps``."""
        value: Any = self
        for name in path.split("."):
            value = value[name] if isinstance(value, dict) else getattr(value, name)
        return value

    @model_validator(mode="after")
    def _one_way_to_rank(self) -> Recipe:
        problems = []
        if self.encode.vectors_from and self.pretrain is not None:
            problems.append(
                "encode.vectors_from takes the item vectors of another run, and pretrain learns "
                "from what its own run reads and sees. Leave one of them out"
            )
        if self.hybrid is not None and self.one_pass is not None:
            problems.append(
                "hybrid and one_pass are two recommenders; keep the section of the one you want"
            )
        if 0 < self.train.steps <= self.train.warm_rows_steps:
            problems.append(
                f"train.warm_rows_steps is {self.train.warm_rows_steps} and train.steps "
                f"{self.train.steps}: the LLM behind the new rows would never learn. Take fewer; "
                "if that is what you want, take llm.adapt: frozen"
            )
        if self.pretrain is not None or self.finetune is not None:
            problems += [
                f"train.{name} is {getattr(self.train, name)}, and pretrain and finetune train no "
                "rows of new tokens. Leave it out"
                for name in ("warm_rows_steps", "rows_learning_rate")
                if getattr(self.train, name)
            ]
        else:
            try:
                _ = self.generative
            except ConfigError as error:
                problems.append(str(error))
        if self.preference is not None:
            if self.one_pass is not None:
                problems.append(
                    "preference teaches a recommender that writes codes one after the other; "
                    "one_pass predicts all at once. Leave one of them out"
                )
            if self.pretrain is not None or self.finetune is not None:
                problems.append(
                    "preference follows the training of a recommender; pretrain and finetune "
                    "train another model. Leave it out"
                )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def generative(self) -> GenerativeConfig:
        """The options of the generative recommender."""
        return GenerativeConfig(
            self.llm,
            self.prompt,
            self.packing,
            self.train,
            self.decode,
            self.hybrid,
            self.tasks,
        )

    @staticmethod
    def load(name: str | Path, overrides: list[str] | None = None) -> Recipe:
        """A shipped recipe by name, or one from a file, with ``section.option=value`` overrides.

        Raises:
            ConfigError: no such recipe, unknown keys or unfit values; names all of them at once.
        """
        return Recipe.parse(Recipe.read(name), where=str(name), overrides=overrides or [])

    @staticmethod
    def read(name: str | Path) -> dict[str, Any]:
        """What a recipe's file says, unchecked.

        Raises:
            ConfigError: no such recipe, or a file that is none.
        """
        path = Path(name)
        if path.suffix not in (".yaml", ".yml"):
            if str(name) not in shipped_names(RECIPES):
                raise ConfigError(
                    f"No recipe '{name}'; {nearest(str(name), shipped_names(RECIPES))}\n"
                    "A recipe of your own is named by its path, ending in .yaml."
                )
            path = shipped_file(RECIPES, str(name))
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(
                f"There is no file {path}. Copy a recipe to start from: genrec cp quickstart {path}"
            ) from None
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise ConfigError(f"The recipe {path} cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise ConfigError(f"The recipe {path} is no mapping of sections; see genrec ls recipes")
        return content

    @staticmethod
    def override(content: dict[str, Any], overrides: Sequence[str]) -> None:
        """Changes what a recipe's file says, in place, by ``section.option=value``.

        Another ``data.source`` leaves the options of the one before behind.

        Raises:
            ConfigError: one of them is no such text, or goes through a value.
        """
        _leave_options(content, overrides)
        set_options(content, overrides, example="train.steps=2000", of_paths={"tune": RANGE_KEYS})

    @staticmethod
    def parse(
        content: dict[str, Any], *, where: str = "recipe", overrides: Sequence[str] = ()
    ) -> Recipe:
        """A recipe from plain values, some of them overridden as on the command line.

        Raises:
            ConfigError: names all problems at once.
        """
        Recipe.override(content, overrides)
        try:
            return Recipe.model_validate(content)
        except ValidationError as error:
            problems = [_explain(problem) for problem in error.errors()]
        raise ConfigError(f"The recipe {where} does not fit:\n" + "\n".join(problems))


def _leave_options(content: dict[str, Any], overrides: Sequence[str]) -> None:
    """Takes out the options of a data source that is overridden by another, in place."""
    named = [text.partition("=")[2].strip() for text in overrides if _sets_source(text)]
    data = content.get("data")
    if named and isinstance(data, dict) and named[-1] != data.get("source"):
        content["data"] = {name: value for name, value in data.items() if name != "options"}


def _sets_source(override: str) -> bool:
    return override.partition("=")[0].strip() == "data.source"


def _explain(problem: Any) -> str:
    path = [str(part) for part in problem["loc"]]
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        hint = nearest(path[-1], _names_beside(path))
        return f"  - {'.'.join(path)}: there is no such key; {hint}"
    if problem["type"] in ("missing", "missing_argument"):
        return f"  - {'.'.join(path)}: missing"
    if problem["type"] == "value_error":
        # What several sections say of each other names them itself.
        place = f"{'.'.join(path)}: " if path else ""
        lines = str(problem["ctx"]["error"]).splitlines()
        return "\n".join(f"  - {place}{line}" for line in lines)
    return f"  - {'.'.join(path)}: {said_of(problem)}"


def _unfit(recipe: Recipe, path: str) -> list[str]:
    """What is wrong with the range of one option: no such option, or values that it cannot have."""
    section, _, rest = path.partition(".")
    open_sections = [name for name in Recipe.model_fields if name not in NOT_SEARCHED]
    if section not in open_sections or path in NOT_DRAWN:
        why = "cannot be searched" if section in Recipe.model_fields else "is no section"
        hint = nearest(section, open_sections)
        return [f"{path}: {path if path in NOT_DRAWN else section} {why}; {hint}"]
    values = getattr(recipe, section)
    names = rest.split(".")
    for name in names:
        known = values.__dataclass_fields__ if is_dataclass(values) else {}
        if name not in known:
            return [f"{path}: there is no option '{name}'; {nearest(name, known)}"]
        values = getattr(values, name)
    kind: Any = Recipe.model_fields[section].annotation
    problems = []
    for value in SearchSpace.parse(recipe.tune or {}).ranges[path].samples:
        content = asdict(getattr(recipe, section))
        place = content
        for name in names[:-1]:
            place = place[name]
        place[names[-1]] = value
        try:
            TypeAdapter(kind).validate_python(content)
        except ConfigError as error:
            problems.append(f"{path}: {value!r} does not fit: {error}")
        except ValidationError as error:
            said = [str(one.get("ctx", {}).get("error") or one["msg"]) for one in error.errors()]
            problems.append(f"{path}: {value!r} does not fit: {'; '.join(said)}")
    return problems


def _names_beside(path: list[str]) -> list[str]:
    fields = Recipe.model_fields
    if len(path) < 2 or path[0] not in fields:
        return list(fields)
    section: Any = fields[path[0]].annotation
    for name in path[1:-1]:
        hints = get_type_hints(_dataclass_in(section) or object)
        section = hints.get(name)
    found = _dataclass_in(section)
    return list(getattr(found, "__dataclass_fields__", {}))


def _dataclass_in(kind: Any) -> Any:
    """The dataclass of a section, which may be left out; ``None`` if it is none."""
    return next((one for one in (kind, *get_args(kind)) if is_dataclass(one)), None)
