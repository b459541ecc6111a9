"""What can be chosen about updates of a run, and about what they warn of. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError


@dataclass(frozen=True)
class DriftConfig:
    """When what changed between training data and new events is worth a word.

    Attributes:
        new_items: share of the catalogue that has come since the semantic IDs were made.
        new_users: share of the new events' users that nobody had seen before.
        popularity: population stability index of which items are chosen; .1 is usually called a
            little, .25 a lot.
        codes: the same of each level's codes.
        far: share of new items farther from what their codes stand for than 95 % of the old ones;
            .05 is what equal items would give.
        moved: share of new items whose semantic ID was taken, so that they got a neighbour's.
        head: by how much the share of events that fall on the most chosen items may change.
        head_items: share of the catalogue that is called the most chosen.
    """

    __pydantic_config__ = {"extra": "forbid"}

    new_items: float = 0.3
    new_users: float = 0.5
    popularity: float = 0.25
    codes: float = 0.25
    far: float = 0.2
    moved: float = 0.3
    head: float = 0.15
    head_items: float = 0.1

    def __post_init__(self) -> None:
        # A threshold that is infinite never warns.
        problems = outside(
            self,
            new_items="(0, inf]",
            new_users="(0, inf]",
            popularity="(0, inf]",
            codes="(0, inf]",
            far="(0, inf]",
            moved="(0, inf]",
            head="(0, inf]",
            head_items="(0, 1)",
        )
        if problems:
            raise ConfigError("The thresholds do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class UpdateConfig:
    """How a run is continued on new events.

    Attributes:
        steps: of training; 0 takes as many as ``passes`` need.
        passes: how often each training window is seen.
        rate: the learning rate, as a share of the recipe's.
        replay: share of the training windows that are of users without new events, so that
            nothing is forgotten.
        held: where the recipe splits by time, the share of the new events that is held out.
        margin: the share of NDCG@10 that a version may lose and still be promoted.
        cases: held-out cases of either kind that before and after are measured on; 0 takes all.
        seed: of the replay and of the cases.
        drift: thresholds of the report's advice.
    """

    __pydantic_config__ = {"extra": "forbid"}

    steps: int = 0
    passes: float = 4.0
    rate: float = 0.3
    replay: float = 0.5
    held: float = 0.2
    margin: float = 0.05
    cases: int = 2000
    seed: int = 0
    drift: DriftConfig = field(default_factory=DriftConfig)

    def __post_init__(self) -> None:
        problems = outside(
            self,
            steps="[0, inf)",
            cases="[0, inf)",
            passes="(0, inf)",
            rate="(0, inf)",
            replay="[0, 1)",
            held="(0, 1)",
            seed=SEED,
        )
        if not 0 <= self.margin <= 1:
            problems.append(f"margin is {self.margin}; it is a share from 0 to 1, and .05 is 5 %")
        if problems:
            raise ConfigError("The options of updates do not fit: " + "; ".join(problems))
