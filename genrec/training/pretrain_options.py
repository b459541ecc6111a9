"""What can be chosen about pretraining. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError
from genrec.training.content_options import ContentConfig
from genrec.training.diffusion_options import ProductDiffusionConfig

LOSSES = ("info_nce", "sigmoid")
# What linear probes learn from where another collection is judged.
LESSONS = ("training", "judged")
# Options that say how a tower is judged, and what stands for each in the key of the tower.
JUDGING: dict[str, Any] = {"probes": [], "pool": 1000, "probes_learn_from": None}
TOWERS = ("tiny", "small")


def of_training(options: Any) -> dict[str, Any]:
    """The options that decide what a tower becomes; how it is judged needs no training."""
    values = {name: JUDGING.get(name, value) for name, value in asdict(options).items()}
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class ImageTextConfig:
    """Pictures and words of the same items are brought together in one space.

    Attributes:
        tower: preset of the two towers, ``tiny`` or ``small``.
        side: pixels; pictures are squeezed into a square of this side.
        patch: pixels of a patch's side.
        fields: attributes that training captions are drawn from; empty takes the title always.
        title_share: share of captions that are titles; the others are drawn from ``fields``.
        vocabulary: tokens of the text tokenizer that is learned from the training items, 256 bytes
            among them.
        loss: ``info_nce`` or ``sigmoid``.
        smoothing: of ``info_nce``: probability mass spread over the other items of a batch.
        queue: keys of past batches that serve as further negatives; 0 has none.
        momentum: of the slow towers that make the keys of the queue; 0 lets the towers themselves
            make them.
        chunk: rows whose activations are in memory at a time; 0 takes the whole batch.
        average: share of the old weights in the running mean that is kept at the end; 0 keeps
            the last weights.
        augment: strength of crops, stretching, flips and light; 0 leaves pictures alone. Hues
            stay as they are: colour is something that titles say.
        held_out: items that are judged and never trained on, drawn by ``split_seed`` and item id.
        pool: items that a title is searched among when it is judged.
        validation: training items that are looked at during training and not trained on; 0 has
            none, and the last weights are kept.
        split_seed: decides which items are held out; equal seeds hold out the same.
        probes: attributes that linear probes predict from the vectors.
        probes_learn_from: where another collection is judged: ``training``, the photos that the
            tower was trained on, or ``judged``, four fifths of that collection.
    """

    __pydantic_config__ = {"extra": "forbid"}

    tower: str = "small"
    side: int = 64
    patch: int = 8
    fields: list[str] = field(default_factory=list)
    title_share: float = 0.5
    vocabulary: int = 3000
    loss: str = "info_nce"
    smoothing: float = 0.0
    queue: int = 0
    momentum: float = 0.0
    chunk: int = 0
    average: float = 0.0
    augment: float = 1.0
    held_out: int = 1000
    pool: int = 1000
    validation: int = 0
    split_seed: int = 0
    probes: list[str] = field(default_factory=list)
    probes_learn_from: str = "training"

    def __post_init__(self) -> None:
        problems = _tower_problems(self.tower, self.side, self.patch)
        problems += _unknown_lessons(self.probes_learn_from)
        if self.loss not in LOSSES:
            problems.append(f"loss is '{self.loss}'; choose {', '.join(LOSSES)}")
        problems += outside(
            self,
            smoothing="[0, 1)",
            momentum="[0, 1)",
            average="[0, 1)",
            title_share="[0, 1]",
            vocabulary="[300, inf)",
            queue="[0, inf)",
            chunk="[0, inf)",
            augment="[0, inf)",
            held_out="[2, inf)",
            pool="[2, inf)",
            validation="[0, inf)",
            split_seed=SEED,
        )
        if self.title_share < 1 and not self.fields:
            problems.append("title_share is below 1 and fields is empty; name attributes, or set 1")
        if self.momentum and not self.queue:
            problems.append("momentum is set without a queue; set queue too, or leave it out")
        if self.smoothing and self.loss != "info_nce":
            problems.append("smoothing belongs to info_nce; leave it out")
        _raise(problems)


@dataclass(frozen=True)
class MaskedPatchesConfig:
    """A picture is rebuilt from a few of its patches: no words are needed.

    Attributes:
        tower: preset of the encoder, ``tiny`` or ``small``.
        side: pixels; pictures are squeezed into a square of this side.
        patch: pixels of a patch's side.
        mask_share: of the patches that are hidden.
        augment: as of ``image_text``.
        held_out: items whose hidden patches are rebuilt to judge, never trained on.
        split_seed: decides which items are held out.
        probes: attributes that linear probes predict from the vectors.
        probes_learn_from: where another collection is judged: ``training``, the photos that the
            tower was trained on, or ``judged``, four fifths of that collection.
    """

    __pydantic_config__ = {"extra": "forbid"}

    tower: str = "small"
    side: int = 64
    patch: int = 8
    mask_share: float = 0.75
    augment: float = 0.5
    held_out: int = 1000
    split_seed: int = 0
    probes: list[str] = field(default_factory=list)
    probes_learn_from: str = "training"

    def __post_init__(self) -> None:
        problems = _tower_problems(self.tower, self.side, self.patch)
        problems += _unknown_lessons(self.probes_learn_from)
        problems += outside(
            self, mask_share="(0, 1)", augment="[0, inf)", held_out="[2, inf)", split_seed=SEED
        )
        _raise(problems)


@dataclass(frozen=True)
class MaskedTokensConfig:
    """Hidden words of items' texts are guessed from the words around them.

    Attributes:
        model: a masked language model of transformers to go on from, by hub name or folder;
            ``tiny`` and ``small`` start from nothing, with a tokenizer of the catalogue's words.
        vocabulary: tokens of that tokenizer, 256 bytes among them.
        fields: what of an item is read; ``None`` reads title, all attributes and text.
        max_tokens: longer texts are cut.
        mask_share: of the tokens that are hidden.
        held_out: items whose words are guessed to judge, never trained on.
        split_seed: decides which items are held out.
    """

    __pydantic_config__ = {"extra": "forbid"}

    model: str = "tiny"
    vocabulary: int = 3000
    fields: list[str] | None = None
    max_tokens: int = 64
    mask_share: float = 0.15
    held_out: int = 1000
    split_seed: int = 0

    def __post_init__(self) -> None:
        problems = outside(
            self,
            mask_share="(0, 1)",
            vocabulary="[300, inf)",
            max_tokens="[8, inf)",
            held_out="[2, inf)",
            split_seed=SEED,
        )
        _raise(problems)


@dataclass(frozen=True)
class ProjectorConfig:
    """A text LLM and a vision tower are joined; what lies between them learns to name pictures.

    Attributes:
        llm: ``smollm2-135m``, a hub name or a folder of a text LLM.
        tower: a hub name or a folder of CLIP, SigLIP or another vision tower; of a run that
            pretrained one, its folder ``tower``.
        pictures: tokens for each picture.
        layer: which of the tower's hidden states the LLM sees; below 0, counted from the last.
        said: what is said of a picture: ``title``, ``text`` or names of attributes, in this order.
        held_out: items whose pictures are named to judge, never trained on.
        candidates: texts that the right one is chosen among when it is judged.
        split_seed: decides which items are held out.
    """

    __pydantic_config__ = {"extra": "forbid"}

    tower: str
    llm: str = "smollm2-135m"
    pictures: int = 4
    layer: int = -1
    said: list[str] = field(default_factory=lambda: ["title"])
    held_out: int = 100
    candidates: int = 10
    split_seed: int = 0

    def __post_init__(self) -> None:
        problems = outside(
            self,
            pictures="[1, inf)",
            held_out="[2, inf)",
            candidates="[2, inf)",
            split_seed=SEED,
        )
        if not self.said:
            problems.append("said is empty; name at least one of title, text or an attribute")
        _raise(problems)


def _tower_problems(tower: str, side: int, patch: int) -> list[str]:
    problems = []
    if tower not in TOWERS:
        problems.append(f"tower is '{tower}'; choose {', '.join(TOWERS)}")
    if patch < 1 or side < patch or side % patch:
        problems.append(f"side is {side} and patch {patch}; side must be a multiple of patch")
    return problems


def _unknown_lessons(chosen: str) -> list[str]:
    if chosen in LESSONS:
        return []
    return [f"probes_learn_from is '{chosen}'; choose {', '.join(LESSONS)}"]


def _raise(problems: list[str]) -> None:
    if problems:
        raise ConfigError("The pretraining options do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class PretrainConfig:
    """What is learned from content, before or without a recommender: exactly one objective.

    Attributes:
        image_text: contrast of pictures and words.
        masked_patches: hidden patches of pictures, rebuilt.
        masked_tokens: hidden words of texts, guessed.
        projector: an LLM that learns to name what it sees.
        content: sequences of items that are their fused content.
        product_diffusion: pictures of products, drawn by words and by taste.
    """

    __pydantic_config__ = {"extra": "forbid"}

    image_text: ImageTextConfig | None = None
    masked_patches: MaskedPatchesConfig | None = None
    masked_tokens: MaskedTokensConfig | None = None
    projector: ProjectorConfig | None = None
    content: ContentConfig | None = None
    product_diffusion: ProductDiffusionConfig | None = None

    def __post_init__(self) -> None:
        named = [name for name, options in self._sections() if options is not None]
        if len(named) != 1:
            known = ", ".join(name for name, _ in self._sections())
            raise ConfigError(
                f"pretrain names {', '.join(named) or 'no objective'}; name exactly one of: {known}"
            )

    def _sections(self) -> list[tuple[str, Any]]:
        return [(part.name, getattr(self, part.name)) for part in fields(self)]

    @property
    def objective(self) -> str:
        """The name of the one objective."""
        return next(name for name, options in self._sections() if options is not None)

    @property
    def options(self) -> Any:
        """Its options."""
        return getattr(self, self.objective)
