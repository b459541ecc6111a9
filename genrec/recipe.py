"""A recipe: the options of every layer in one YAML file. Only ``stages`` reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from genrec.data.dataset import SPLITS
from genrec.data.sources import SOURCES
from genrec.decoding.options import DecodeConfig
from genrec.encoders.options import EncodeConfig
from genrec.errors import ConfigError, nearest
from genrec.evaluation.controls import CONTROLS
from genrec.llm.options import BackboneConfig
from genrec.profiles.options import ProfileConfig, SegmentConfig
from genrec.recommenders.options import GenerativeConfig, HybridConfig, PromptConfig
from genrec.semantic_ids.options import SemanticIdConfig
from genrec.shipped import RECIPES, shipped_file, shipped_names
from genrec.strict_yaml import set_option
from genrec.training.finetune_options import FinetuneConfig
from genrec.training.options import FitConfig, SftConfig
from genrec.training.pretrain_options import PretrainConfig


@dataclass(frozen=True)
class DataConfig:
    """Where the data comes from and what is kept of it.

    Attributes:
        source: a registered source, as ``genrec ls data`` lists them.
        options: of the source, such as the files and the column mapping of ``tables``.
        core: keep users and items with at least this many events or partners; 0 keeps all.
        core_basis: ``events`` or ``distinct``.
    """

    __pydantic_config__ = {"extra": "forbid"}

    source: str
    options: dict[str, Any] = field(default_factory=dict)
    core: int = 0
    core_basis: str = "events"

    def __post_init__(self) -> None:
        SOURCES.entry(self.source)


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
        validation_users: users whose validation cases are looked at during training.
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
    train: FitConfig = FitConfig()
    decode: DecodeConfig = DecodeConfig()
    hybrid: HybridConfig | None = None
    evaluate: EvaluateConfig = EvaluateConfig()
    profiles: ProfileConfig = ProfileConfig()
    segments: SegmentConfig = SegmentConfig()

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

    @property
    def generative(self) -> GenerativeConfig:
        """The options of the generative recommender."""
        return GenerativeConfig(
            self.llm, self.prompt, self.packing, self.train, self.decode, self.hybrid
        )

    @staticmethod
    def load(name: str | Path, overrides: list[str] | None = None) -> Recipe:
        """A shipped recipe by name, or one from a file, with ``section.option=value`` overrides.

        Raises:
            ConfigError: no such recipe, unknown keys or unfit values; names all of them at once.
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
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"The recipe {path} cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise ConfigError(f"The recipe {path} is no mapping of sections; see genrec ls recipes")
        return Recipe.parse(content, where=str(name), overrides=overrides or [])

    @staticmethod
    def parse(
        content: dict[str, Any], *, where: str = "recipe", overrides: Sequence[str] = ()
    ) -> Recipe:
        """A recipe from plain values, some of them overridden as on the command line.

        Raises:
            ConfigError: names all problems at once.
        """
        for override in overrides:
            set_option(content, override, example="train.steps=2000")
        try:
            return Recipe.model_validate(content)
        except ValidationError as error:
            problems = [_explain(problem) for problem in error.errors()]
        raise ConfigError(f"The recipe {where} does not fit:\n" + "\n".join(problems))


def _explain(problem: Any) -> str:
    path = [str(part) for part in problem["loc"]]
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        hint = nearest(path[-1], _names_beside(path))
        return f"  - {'.'.join(path)}: there is no such key; {hint}"
    if problem["type"] in ("missing", "missing_argument"):
        return f"  - {'.'.join(path)}: missing"
    if problem["type"] == "value_error":
        return f"  - {'.'.join(path)}: {problem['ctx']['error']}"
    return f"  - {'.'.join(path)}: {problem['msg']} (it is {problem['input']!r})"


def _names_beside(path: list[str]) -> list[str]:
    fields = Recipe.model_fields
    if len(path) < 2 or path[0] not in fields:
        return list(fields)
    section: Any = fields[path[0]].annotation
    return list(getattr(section, "__dataclass_fields__", {}))
