"""What can be chosen about training a small diffusion model. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError
from genrec.training.options import FitConfig

SHAPES = ("tiny", "small", "medium")
PREDICTIONS = ("v_prediction", "epsilon")


@dataclass(frozen=True)
class ProductDiffusionConfig:
    """A small latent diffusion model learns to draw products by words and by taste.

    Attributes:
        shape: preset of the model's parts: ``tiny``, ``small`` or ``medium``.
        resolution: longest side of the pictures in pixels, a multiple of 16.
        noun: field that says what a product is; prompts name it. Empty takes titles alone.
        details: fields that prompts may name beside it, and that make products alike: a taste is
            also learned from products that share all of them.
        detail_share: how often a caption names each of the details.
        title_share: how often the caption is the title as it stands.
        vocabulary: tokens of the tokenizer that is learned from the captions.
        choice_share: how often a product's taste is the mean of a shopper's other choices; else,
            and where nobody chose it, that of up to ``alike`` products that share its details.
        alike: at most so many of them.
        drop_text: how often the prompt alone is left out, for guidance.
        drop_taste: how often the taste alone is left out.
        drop_both: how often both are.
        stray_taste: how often a caption that names every detail stands beside the taste for another
            thing, so that words win where the two disagree.
        prediction: what the denoiser learns, ``v_prediction`` or ``epsilon``.
        snr_gamma: weights of noise levels are cut there (min-SNR); 0 weighs all levels alike.
        middle_share: how often a noise level is drawn from the middle, where shapes and patterns
            are decided (logit-normal, Esser et al., 2024, arXiv:2403.03206); else from all alike.
        average: share of the old weights in the running mean that is kept at the end.
        scenes: of a toy shop: so many empty scenes are drawn and learned beside its products.
        held_out: products that are never trained on; with a noun and details, so many of their
            combinations, each with all of its products.
        held_out_users: shoppers whose choices are never trained on.
        split_seed: decides what is held out.
        steps: denoising steps when the model is judged, and kept with it as its own.
        guidance: of those steps.
        best_of: of so many pictures at most the best one is judged, as a verifier chooses that is
            fitted to the training pictures.
        judged: pictures that are drawn to judge it.
        vae: how the autoencoder is trained before; its latents are then computed once.
    """

    __pydantic_config__ = {"extra": "forbid"}

    shape: str = "small"
    resolution: int = 64
    noun: str = "kind"
    details: list[str] = field(default_factory=lambda: ["colour", "pattern"])
    detail_share: float = 0.4
    title_share: float = 0.1
    vocabulary: int = 800
    choice_share: float = 0.5
    alike: int = 4
    drop_text: float = 0.05
    drop_taste: float = 0.1
    drop_both: float = 0.08
    stray_taste: float = 0.0
    prediction: str = "v_prediction"
    snr_gamma: float = 0.0
    middle_share: float = 0.0
    average: float = 0.995
    scenes: int = 0
    held_out: int = 24
    held_out_users: int = 100
    split_seed: int = 0
    steps: int = 16
    guidance: float = 3.0
    best_of: int = 1
    judged: int = 200
    vae: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=1600, batch_size=16, learning_rate=3e-3, warmup_steps=20
        )
    )

    def __post_init__(self) -> None:
        problems = [
            f"{name} is '{getattr(self, name)}'; choose {', '.join(valid)}"
            for name, valid in (("shape", SHAPES), ("prediction", PREDICTIONS))
            if getattr(self, name) not in valid
        ]
        if self.resolution < 32 or self.resolution % 16:
            problems.append(f"resolution is {self.resolution}; it must be a multiple of 16 from 32")
        problems += outside(
            self,
            detail_share="[0, 1]",
            title_share="[0, 1]",
            choice_share="[0, 1]",
            middle_share="[0, 1]",
            stray_taste="[0, 1]",
            drop_text="[0, 1)",
            drop_taste="[0, 1)",
            drop_both="[0, 1)",
            average="[0, 1)",
            vocabulary="[600, inf)",
            alike="[1, inf)",
            snr_gamma="[0, inf)",
            guidance="[0, inf)",
            scenes="[0, inf)",
            held_out="[0, inf)",
            held_out_users="[0, inf)",
            split_seed=SEED,
            steps="[1, inf)",
            best_of="[1, inf)",
            judged="[2, inf)",
        )
        dropped = self.drop_text + self.drop_taste + self.drop_both
        if dropped >= 1:
            problems.append(f"what is dropped adds up to {dropped}; it must stay below 1")
        if self.best_of > 1 and not self.details:
            problems.append("best_of chooses by details, and there are none; name some, or take 1")
        if not self.noun and self.title_share < 1:
            problems.append("noun is empty; name a field, or set title_share to 1")
        if problems:
            raise ConfigError("The diffusion options do not fit: " + "; ".join(problems))
