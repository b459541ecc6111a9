"""What can be chosen about teaching a diffusion model a product or a segment's look.

Options are named as the flags of diffusers' DreamBooth example. Loads nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError
from genrec.training.options import SCHEDULES, FitConfig

PRECISIONS = ("no", "bf16", "fp16")


@dataclass(frozen=True)
class ImageLoraConfig:
    """A LoRA on the denoiser, learned from a few pictures (DreamBooth, arXiv:2208.12242).

    Attributes:
        pretrained_model_name_or_path: ``toy``, a hub name or a folder of Stable Diffusion (1.x,
            2.x), SDXL or FLUX.
        instance_prompt: what the pictures show, with a rare word for what is new. Of items,
            ``{title}`` and ``{attribute}`` in it are filled with each one's own.
        instance_data_dir: folder of the pictures; or
        items: ids of the data set's items whose pictures are learned; or
        segment: id or name of the users of whom it is learned what they like, as ``genrec profile
            --segments`` shows them.
        segment_items: so many items at most that lift what they chose over what all did.
        with_prior_preservation: also train on pictures that the model itself makes of
            ``class_prompt``, so that it does not forget what others of the kind look like.
        class_prompt: what those show.
        num_class_images: how many of them.
        prior_loss_weight: of their loss.
        resolution: longest side in pixels; pictures are sorted into buckets of their shape.
        rank: of the adapter.
        lora_alpha: its scale is lora_alpha / rank; 0 takes the rank.
        train_batch_size: pictures per step.
        learning_rate: peak rate.
        lr_scheduler: ``cosine``, ``linear`` or ``constant``.
        lr_warmup_steps: steps over which the rate rises.
        max_train_steps: steps.
        checkpointing_steps: steps between checkpoints; 0 keeps none.
        snr_gamma: weights of noise levels are cut there (min-SNR); 0 weighs all alike.
        guidance_scale: that a model whose guidance is an input (FLUX) is told while it learns.
        max_grad_norm: gradients are clipped to it.
        adam_weight_decay: decoupled.
        mixed_precision: ``no``, ``bf16``, or on a GPU ``fp16``.
        validation_images: pictures of ``instance_prompt`` that are painted for the report.
        seed: of order, noise and starting weights.
    """

    __pydantic_config__ = {"extra": "forbid"}

    instance_prompt: str
    pretrained_model_name_or_path: str = "toy"
    instance_data_dir: str = ""
    items: list[str] = field(default_factory=list)
    segment: str = ""
    segment_items: int = 200
    with_prior_preservation: bool = False
    class_prompt: str = ""
    num_class_images: int = 32
    prior_loss_weight: float = 1.0
    resolution: int = 512
    rank: int = 4
    lora_alpha: float = 0.0
    train_batch_size: int = 4
    learning_rate: float = 1e-4
    lr_scheduler: str = "constant"
    lr_warmup_steps: int = 0
    max_train_steps: int = 400
    checkpointing_steps: int = 100
    snr_gamma: float = 0.0
    guidance_scale: float = 3.5
    max_grad_norm: float = 1.0
    adam_weight_decay: float = 1e-2
    mixed_precision: str = "no"
    validation_images: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        problems = outside(
            self,
            segment_items="[1, inf)",
            num_class_images="[1, inf)",
            rank="[1, inf)",
            train_batch_size="[1, inf)",
            max_train_steps="[1, inf)",
            checkpointing_steps="[0, inf)",
            learning_rate="(0, inf)",
            lr_warmup_steps="[0, inf)",
            adam_weight_decay="[0, inf)",
            max_grad_norm="[0, inf)",
            prior_loss_weight="[0, inf)",
            lora_alpha="[0, inf)",
            snr_gamma="[0, inf)",
            guidance_scale="[0, inf)",
            validation_images="[0, inf)",
            seed=SEED,
        )
        if not self.instance_prompt.strip():
            problems.append("instance_prompt is empty; say what the pictures show")
        if sum(map(bool, (self.instance_data_dir, self.items, self.segment))) != 1:
            problems.append(
                "name one of instance_data_dir, items and segment: where the pictures are"
            )
        if self.instance_data_dir and "{" in self.instance_prompt:
            problems.append(
                "instance_prompt has a {placeholder}, and pictures of a folder have no attributes"
            )
        if self.with_prior_preservation and not self.class_prompt.strip():
            problems.append("with_prior_preservation needs class_prompt, such as 'a mug'")
        if self.resolution < 32 or self.resolution % 16:
            problems.append(f"resolution is {self.resolution}; it must be a multiple of 16 from 32")
        if self.mixed_precision not in PRECISIONS:
            problems.append(
                f"mixed_precision is '{self.mixed_precision}'; choose {', '.join(PRECISIONS)}"
            )
        if self.lr_scheduler not in SCHEDULES:
            problems.append(f"lr_scheduler is '{self.lr_scheduler}'; choose {', '.join(SCHEDULES)}")
        if problems:
            raise ConfigError("The options of image_lora do not fit: " + "; ".join(problems))

    @property
    def fit_config(self) -> FitConfig:
        """The same in the words of the training driver."""
        return FitConfig(
            steps=self.max_train_steps,
            batch_size=self.train_batch_size,
            learning_rate=self.learning_rate,
            warmup_steps=self.lr_warmup_steps,
            schedule=self.lr_scheduler,
            weight_decay=self.adam_weight_decay,
            max_grad_norm=self.max_grad_norm,
            seed=self.seed,
            checkpoint_every=self.checkpointing_steps,
            # A run of few steps tells of its start and its end, too.
            log_every=max(1, min(10, self.max_train_steps // 2)),
            bf16=self.mixed_precision == "bf16",
        )
