"""What can be chosen about semantic IDs. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError, nearest
from genrec.registry import Entry, Registry
from genrec.semantic_ids.collisions import check_rule

CODEBOOKS = ("ema", "gradient")
SIGNALS = ("pmi", "sasrec")
QUANTIZERS = Registry(
    "quantizer",
    {
        "residual-kmeans": Entry(
            "genrec.semantic_ids.quantizer:ResidualKMeans", "llm", "k-means level by level (faiss)"
        ),
        "rq-vae": Entry(
            "genrec.semantic_ids.rqvae:RqVae", "llm", "residual codes inside an autoencoder (torch)"
        ),
        "opq": Entry(
            "genrec.semantic_ids.product:ProductCodes",
            "llm",
            "8 to 32 unordered codes, product quantisation after a rotation (faiss)",
        ),
        "title-words": Entry(
            "genrec.semantic_ids.title_words:TitleWords",
            "",
            "words of the title, from common to rare; needs no vectors",
        ),
    },
)


@dataclass(frozen=True)
class RqVaeConfig:
    """How an RQ-VAE is trained.

    Attributes:
        latent: numbers of the vector that is quantised.
        hidden: widths of the layers between an item's vector and the latent one.
        epochs: over all items.
        warmup_epochs: of them, as a plain autoencoder, before the codebooks start by k-means.
        batch_size: items per step.
        learning_rate: of Adam.
        commitment: weight of the loss that keeps latent vectors near their codes.
        codebooks: ``ema`` moves codes to the running mean of what they stand for; ``gradient``
            trains them by a loss (straight-through in both cases).
        decay: of the running means.
        restart: codes that nothing used in an epoch begin anew at what is worst rebuilt.
        balance: in training, the codes of the last level are assigned evenly (Sinkhorn).
        checkpoint_every: epochs between checkpoints.
    """

    __pydantic_config__ = {"extra": "forbid"}

    latent: int = 64
    hidden: tuple[int, ...] = (256, 128)
    epochs: int = 100
    warmup_epochs: int = 10
    batch_size: int = 1024
    learning_rate: float = 1e-3
    commitment: float = 0.25
    codebooks: str = "ema"
    decay: float = 0.95
    restart: bool = True
    balance: bool = False
    checkpoint_every: int = 10

    def __post_init__(self) -> None:
        problems = outside(
            self,
            latent="[1, inf)",
            epochs="[1, inf)",
            batch_size="[1, inf)",
            learning_rate="(0, inf)",
            commitment="[0, inf)",
            decay="[0, 1)",
            checkpoint_every="[1, inf)",
        )
        if not 0 <= self.warmup_epochs < max(self.epochs, 1):
            problems.append(f"warmup_epochs is {self.warmup_epochs}; it must be below epochs")
        if any(width < 1 for width in self.hidden):
            problems.append(f"hidden is {list(self.hidden)}; widths are at least 1")
        if self.codebooks not in CODEBOOKS:
            problems.append(
                f"No codebooks '{self.codebooks}'; {nearest(self.codebooks, CODEBOOKS)}"
            )
        if problems:
            raise ConfigError("The options of the RQ-VAE do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class CollaborativeConfig:
    """How what customers chose together joins the vectors before they are quantised.

    Attributes:
        weight: share of the collaborative part in a vector's squared length; 0 is content alone.
        signal: ``pmi``, from which items stand near each other in histories; ``sasrec``, the item
            embeddings of a SASRec trained on the same events.
        dimensions: numbers of the collaborative part.
        window: items at most so many places apart count as chosen together.
        prior: an item's own evidence weighs as much as what its content says at so many events.
        whiten: of each part: 0 keeps its spread, 1 makes all directions alike.
    """

    __pydantic_config__ = {"extra": "forbid"}

    weight: float = 0.5
    signal: str = "pmi"
    dimensions: int = 64
    window: int = 5
    prior: float = 5.0
    whiten: float = 0.5

    def __post_init__(self) -> None:
        problems = outside(
            self,
            weight="[0, 1]",
            dimensions="[1, inf)",
            window="[1, inf)",
            prior="[0, inf)",
            whiten="[0, 1]",
        )
        if self.signal not in SIGNALS:
            problems.append(f"No signal '{self.signal}'; {nearest(self.signal, SIGNALS)}")
        if problems:
            raise ConfigError("The collaborative options do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class SemanticIdConfig:
    """How items become semantic IDs.

    Attributes:
        quantizer: registered name.
        levels: codes per item (one more with the rule ``append``).
        codebook_size: codes at each level; more tell more items apart, fewer share more.
        collisions: ``reassign`` moves an item to the nearest free last code; ``append`` adds a
            level that counts the items with equal codes.
        seed: of the quantiser.
        rotation: whether ``opq`` turns the vectors; without, it is plain product quantisation.
        rqvae: how ``rq-vae`` is trained.
        collaborative: what customers chose together joins the vectors; left out, content alone.
        codebooks_from: folder of an earlier run whose codebooks are taken as they are, so that its
            tokens keep their meaning; the other options are then that run's.
    """

    __pydantic_config__ = {"extra": "forbid"}

    quantizer: str = "residual-kmeans"
    levels: int = 3
    codebook_size: int = 256
    collisions: str = "reassign"
    seed: int = 0
    rotation: bool = True
    rqvae: RqVaeConfig = field(default_factory=RqVaeConfig)
    collaborative: CollaborativeConfig | None = None
    codebooks_from: str = ""

    def __post_init__(self) -> None:
        QUANTIZERS.entry(self.quantizer)
        check_rule(self.collisions)
        problems = outside(self, levels="[1, 64]", codebook_size=f"[2, {2**20}]", seed=SEED)
        if problems:
            raise ConfigError("Semantic IDs cannot be made so: " + "; ".join(problems))

    @staticmethod
    def of(values: dict[str, Any]) -> SemanticIdConfig:
        """The options that ``dataclasses.asdict`` made plain, as read from JSON."""
        values = dict(values)
        if isinstance(values.get("rqvae"), dict):
            own = values["rqvae"]
            values["rqvae"] = RqVaeConfig(**{**own, "hidden": tuple(own["hidden"])})
        if isinstance(values.get("collaborative"), dict):
            values["collaborative"] = CollaborativeConfig(**values["collaborative"])
        return SemanticIdConfig(**values)
