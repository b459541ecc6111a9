"""What can be chosen about recommenders. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from genrec.bounds import outside
from genrec.decoding.options import DecodeConfig
from genrec.errors import ConfigError, nearest
from genrec.llm.options import SIDE_FEATURES, WITH_LORA, BackboneConfig, ItemTableConfig
from genrec.training.options import FitConfig, SftConfig

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class PromptConfig:
    """How a history is written down for the LLM.

    Attributes:
        template: name in ``prompts/``; it may use ``favourites`` and must end with ``history``.
        history: the last events that are written out.
        favourites: how many of the items chosen most often before those events are named first;
            0 leaves the line out.
        instruction: text in front of all, such as one that ``genrec search-prompt`` found.
        group_by: what sorts histories into groups: a column of the users' table, ``user_id``,
            ``profile_segments`` (in a recipe: the segments that are found in users' profiles), or a
            column of the catalogue, whose value at the first item written out counts. Each group
            has a soft prefix (``adapt: prompt``) or an adapter (``adapt: mixture``) of its own,
            beside the one that all have; a history of no known group has that one alone.
        soft_tokens: tokens of each soft prefix, with ``adapt: prompt``.
        soft_text: a soft prefix starts from the words of this text.
        features: what is read of each event beside its item: ``gap`` (time since the event before),
            ``price`` (of the item) and ``kind`` (view, cart or buy). A history that comes without
            times or kinds is read all the same.
    """

    __pydantic_config__ = {"extra": "forbid"}

    template: str = "recommend/next_item"
    history: int = 50
    favourites: int = 0
    instruction: str = ""
    group_by: str = ""
    soft_tokens: int = 16
    soft_text: str = "Recommend what this customer will choose next."
    features: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        problems = [
            f"No feature '{name}'; {nearest(name, SIDE_FEATURES)}"
            for name in self.features
            if name not in SIDE_FEATURES
        ]
        problems += outside(self, history="[1, inf)", favourites="[0, inf)", soft_tokens="[1, inf)")
        if problems:
            raise ConfigError("\n".join(problems))


@dataclass(frozen=True)
class OnePassConfig:
    """How all codes of the next item are predicted at once.

    Attributes:
        temperature: cosines between a state and the codes are divided by it; low values (.03) tell
            near codes apart.
        dropout: on the state that predicts; strong values help on sparse data.
        exact_items: a catalogue of at most so many items is scored whole; in a larger one the best
            are searched along a graph of items with like codes.
        neighbours: of each item in that graph.
    """

    __pydantic_config__ = {"extra": "forbid"}

    temperature: float = 0.03
    dropout: float = 0.5
    exact_items: int = 200_000
    neighbours: int = 32

    def __post_init__(self) -> None:
        problems = outside(
            self,
            temperature="(0, inf)",
            dropout="[0, 1)",
            exact_items="[0, inf)",
            neighbours="[1, inf)",
        )
        if problems:
            raise ConfigError("\n".join(problems))


@dataclass(frozen=True)
class HybridConfig:
    """How whole items are learned and ranked beside their codes.

    Attributes:
        table: vectors and scores of items; ``None`` learns no whole items, so that histories are
            read as codes, and codes, transitions and own counts are weighed alone.
        transitions: whether what was chosen right after the last items takes part in the ranking.
        decay: of transitions, the weight of each event against the one after it.
        generate: weight of the log-probability of an item's codes, against 1 of its dense
            log-probability; without a table it is 1.
        follow: weight of the log-probability that transitions give it.
        habit: weight of log(1 + how often the user chose an item before): for shops where people
            buy the same things again.
        habit_decay: in that count, the weight of each basket (without baskets, each event) against
            the one after it.
        tune: choose these three weights on validation cases, where there are any.
        new_item_cost: the share of NDCG@10 on validation cases that may be given up so that items
            which nobody has chosen yet are shown; 0 leaves them where their content puts them.
    """

    __pydantic_config__ = {"extra": "forbid"}

    table: ItemTableConfig | None = field(default_factory=ItemTableConfig)
    transitions: bool = True
    decay: float = 0.7
    generate: float = 0.2
    follow: float = 0.4
    habit: float = 0.0
    habit_decay: float = 0.95  # on the groceries' validation baskets .93 to .97 are level
    tune: bool = True
    new_item_cost: float = 0.005

    def __post_init__(self) -> None:
        problems = outside(
            self,
            decay="[0, 1)",
            generate="[0, inf)",
            follow="[0, inf)",
            habit="[0, inf)",
            habit_decay="(0, 1]",
            new_item_cost="[0, 1)",
        )
        if problems:
            raise ConfigError("\n".join(problems))


@dataclass(frozen=True)
class RerankConfig:
    """How an LLM is asked to put a list into another order.

    Attributes:
        candidates: of each list are shown; the rest keeps its place.
        permutations: orders in which they are shown, over which scores are averaged.
        history: titles of the history that are shown, the latest.
        order_weight: how much the given order counts beside: of minus the logarithm of the place.
        template: name in ``prompts/``; it may use ``history`` and ``candidates``.
    """

    __pydantic_config__ = {"extra": "forbid"}

    candidates: int = 10
    permutations: int = 4
    history: int = 10
    order_weight: float = 0.0
    template: str = "rerank/choose_next"

    def __post_init__(self) -> None:
        problems = []
        if not 2 <= self.candidates <= len(LETTERS):
            problems.append(
                f"candidates is {self.candidates}; a letter each, it lies from 2 to {len(LETTERS)}"
            )
        problems += outside(
            self, permutations="[1, inf)", history="[1, inf)", order_weight="[0, inf)"
        )
        if problems:
            raise ConfigError("Lists cannot be re-ranked so: " + "; ".join(problems))


@dataclass(frozen=True)
class TaskConfig:
    """What is learned beside the next item, and how much of it.

    A weight says how many rows of a task there are in an epoch, for each window of a history;
    ``next_item: 1`` is every position of every history once. 0 leaves a task out.

    Attributes:
        next_item: the next item of a history, at every position.
        title_to_id: an item's semantic ID from its title.
        id_to_title: its title from its semantic ID.
        mixed_history: the next item, of a history of which some items are written as titles.
        preference_summary: the next item, from what a profile says in words.
        item_to_item: what was chosen right after an item.
        rating: the stars that a user gives to an item.
        direct: whether a user chooses an item next, yes or no.
        explanation: why a user liked an item, in the words of their review.
        review_summary: the headline of a review, from its text.
        task_history: events of a history in prompts that are no windows.
        task_words: tokens of a title, and four times as many of a review, that are read at most.
    """

    __pydantic_config__ = {"extra": "forbid"}

    next_item: float = 1.0
    title_to_id: float = 0.0
    id_to_title: float = 0.0
    mixed_history: float = 0.0
    preference_summary: float = 0.0
    item_to_item: float = 0.0
    rating: float = 0.0
    direct: float = 0.0
    explanation: float = 0.0
    review_summary: float = 0.0
    task_history: int = 10
    task_words: int = 24

    def __post_init__(self) -> None:
        problems = outside(
            self,
            **dict.fromkeys(self.weights, "[0, inf)"),
            task_history="[1, inf)",
            task_words="[1, inf)",
        )
        if not any(self.weights.values()):
            problems.append("all weights are 0; give one of them more, such as next_item: 1")
        if problems:
            raise ConfigError("The tasks do not fit: " + "; ".join(problems))

    @property
    def weights(self) -> dict[str, float]:
        """Of every task, by its name."""
        others = ("task_history", "task_words")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in others}

    @property
    def beside(self) -> list[str]:
        """Names of the tasks beside the next item that are to be learned."""
        return [name for name, weight in self.weights.items() if weight and name != "next_item"]

    @property
    def plain(self) -> bool:
        """Whether nothing but the next item is learned, at every position once."""
        return not self.beside and self.next_item == 1


@dataclass(frozen=True)
class GenerativeConfig:
    """Everything that shapes a generative recommender.

    Attributes:
        backbone: which LLM and what of it is trained.
        prompt: how a history is written down.
        sft: packing and loss.
        fit: optimisation.
        decode: how semantic IDs are chosen.
        hybrid: how whole items are ranked beside them; ``None`` ranks by semantic IDs alone.
        tasks: what is learned beside the next item.
    """

    __pydantic_config__ = {"extra": "forbid"}

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    sft: SftConfig = field(default_factory=SftConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    hybrid: HybridConfig | None = None
    tasks: TaskConfig = field(default_factory=TaskConfig)

    def __post_init__(self) -> None:
        problems = []
        adapt, fit = self.backbone.adapt, self.fit
        rows_stay = adapt in WITH_LORA and not self.backbone.lora_rows
        if self.prompt.group_by and adapt not in ("prompt", "mixture"):
            problems.append(
                f"prompt.group_by is '{self.prompt.group_by}', which says nothing to adapt: "
                f"{adapt}. Take adapt: prompt or mixture, or leave it out."
            )
        if adapt == "mixture" and not self.prompt.group_by:
            problems.append(
                "llm.adapt is mixture, but there are no groups. Name a column of the users or of "
                "the catalogue in prompt.group_by."
            )
        if fit.warm_rows_steps and fit.weight_decay and adapt == "full":
            problems.append(
                f"train.warm_rows_steps is {fit.warm_rows_steps} and train.weight_decay "
                f"{fit.weight_decay}, which would shrink the rows that are to stay as they are. "
                "Take weight_decay: 0, or adapt: lora."
            )
        if fit.warm_rows_steps and rows_stay:
            problems.append(
                f"train.warm_rows_steps is {fit.warm_rows_steps} and llm.lora_rows false: no rows "
                "would learn in these steps. Take warm_rows_steps: 0, or lora_rows: true."
            )
        if fit.rows_learning_rate and rows_stay:
            problems.append(
                f"train.rows_learning_rate is {fit.rows_learning_rate} and llm.lora_rows false: no "
                "rows learn. Take rows_learning_rate: 0, or lora_rows: true."
            )
        if fit.rows_learning_rate and adapt == "full":
            problems.append(
                f"train.rows_learning_rate is {fit.rows_learning_rate} and llm.adapt full, where "
                "rows learn with all else. Take rows_learning_rate: 0, or adapt: lora."
            )
        if self.hybrid and self.hybrid.table and self.backbone.pictures:
            problems.append(
                f"llm.pictures is {self.backbone.pictures} in a hybrid, whose histories are read "
                "item by item. Put the pictures into the item vectors (encode.image) instead, or "
                "learn no whole items (hybrid.table: null)."
            )
        if self.hybrid and self.decode.strategy == "sample":
            problems.append(
                "decode.strategy is sample in a hybrid, which weighs log-probabilities of codes "
                "and no noise of a draw. Take best or diverse, or leave the hybrid out."
            )
        if problems:
            raise ConfigError("\n".join(problems))

    def with_options(self, **options: Any) -> GenerativeConfig:
        """A copy with options set by their bare names, wherever they live.

        Raises:
            ConfigError: an option that does not exist.
        """
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        hybrid = parts.pop("hybrid")
        known: set[str] = set()
        for part, value in parts.items():
            own = {option.name for option in fields(value)}
            known |= own
            parts[part] = replace(value, **{k: v for k, v in options.items() if k in own})
        unknown = [name for name in options if name not in known]
        if unknown:
            raise ConfigError(f"No option '{unknown[0]}'; {nearest(unknown[0], known)}")
        return GenerativeConfig(**parts, hybrid=hybrid)

    def on(self, backbone: str | BackboneConfig) -> GenerativeConfig:
        """A copy on another LLM: its name, or its whole configuration."""
        if isinstance(backbone, str):
            backbone = replace(self.backbone, name=backbone)
        return replace(self, backbone=backbone)

    @staticmethod
    def of(values: Mapping[str, Any]) -> GenerativeConfig:
        """From what ``dataclasses.asdict`` gave.

        Raises:
            KeyError: a part is missing; likewise TypeError for an option that does not exist.
        """
        hybrid = values.get("hybrid")
        if hybrid is not None:
            table = None if hybrid["table"] is None else ItemTableConfig(**hybrid["table"])
            hybrid = HybridConfig(**{**hybrid, "table": table})
        return GenerativeConfig(
            backbone=BackboneConfig(**values["backbone"]),
            prompt=PromptConfig(**values["prompt"]),
            sft=SftConfig(**values["sft"]),
            fit=FitConfig(**values["fit"]),
            decode=DecodeConfig(**values["decode"]),
            hybrid=hybrid,
            tasks=TaskConfig(**values.get("tasks", {})),
        )
