"""What can be chosen about a campaign's pictures. Loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from genrec.bounds import outside
from genrec.errors import ConfigError, nearest

PNG, WEBP = "png", "webp"
# No model: backgrounds are drawn by rule. The shop's own small model, where there is one.
DRAWN, AUTO = "none", "auto"
ADAPTER_FILE = "ip_adapter.safetensors"


@dataclass(frozen=True)
class PictureOptions:
    """How the pictures of a campaign are made. Each condition on the shopper is a switch.

    Attributes:
        model: hub name or folder of a diffusion model that paints backgrounds; ``auto`` takes the
            small one that comes with genrec for the toy shop and none elsewhere; ``none`` draws
            them by rule.
        layouts: ``square``, ``portrait``, ``story``, ``landscape``, ``leaderboard``.
        style: template of the layouts; empty lets the seed choose, likewise ``tone``.
        logo: a picture's file, beside the campaign's; it stands in the place of the brand's name.
        fonts: a file of families in the form of ``layout/fonts.yaml``, beside the campaign's.
        file: ``png`` or ``webp``.
        scene: what a background shows, in words.
        negative: what it does not show.
        steps: denoising steps.
        guidance: how strongly the words pull.
        scheduler: as of the diffusion options; ``own`` is the model's.
        side: pixels of a painted background's side; 0 is the model's own.
        words: the prompt has words of what the shopper likes.
        taste: the shopper's vector goes to the model's profile prefix.
        liked: how many pictures of what they chose are image prompts.
        image_adapter: an IP-Adapter, which image prompts need; hub name or folder.
        image_adapter_file: its weights in there; with a slash, subfolder and file.
        image_encoder: folder of its vision tower, where it is not the adapter's ``image_encoder``.
        adapters: a LoRA for each segment, by the segment's id.
        segment_adapters: folders of LoRA that know whose they are, as ``genrec run
            finetune/image-lora`` leaves them (``image_lora/`` of its run).
        intensity: how much all of them count, 0 to 1.
        best_of: backgrounds that are painted at most in one attempt, until one shows surely what
            words and taste ask for; the best is kept. More than one needs the model's verifier.
        verifier: folder of one, where it is not in the model's.
        attempts: such backgrounds that may fail their checks before a plain one is taken.
        batch_size: pictures painted at once.
        safety: a classifier of unsafe pictures: ``open-nsfw``, a hub name or a folder; a background
            that it flags is noted and painted again. Empty checks nothing.
        safety_threshold: probability from which a background is flagged.
        allow_unsafe: shows a background that is flagged as unsafe all the same; it stays noted.
        matting: a model that cuts products out of photos without alpha; hub name or folder.
        tiny_vae: an AutoencoderTiny that decodes instead of the model's own, which is faster.
        dtype: of the weights: ``auto``, ``float32``, ``float16``, ``bfloat16``.
        compile: mode of torch.compile for the denoiser; ``none`` does not.
        cache: what a transformer's step takes over from the step before, and from which change on
            it does not (``cache_threshold``), as of the diffusion options.
        slice_attention: less memory and more time; so ``tile_vae``, for large pictures.
        offload: ``model`` or ``sequential`` keep on the GPU only what is at work.
    """

    __pydantic_config__ = {"extra": "forbid"}

    model: str = AUTO
    layouts: tuple[str, ...] = ("square",)
    style: str = ""
    tone: str = ""
    logo: str = ""
    fonts: str = ""
    file: str = PNG
    scene: str = "an empty scene"
    negative: str = ""
    steps: int = 8
    guidance: float = 1.0
    scheduler: str = "own"
    side: int = 0
    words: bool = True
    taste: bool = True
    liked: int = 0
    image_adapter: str = ""
    image_adapter_file: str = ADAPTER_FILE
    image_encoder: str = ""
    adapters: dict[str, str] = field(default_factory=dict)
    segment_adapters: tuple[str, ...] = ()
    intensity: float = 1.0
    best_of: int = 1
    verifier: str = ""
    attempts: int = 3
    batch_size: int = 8
    safety: str = ""
    safety_threshold: float = 0.5
    allow_unsafe: bool = False
    matting: str = ""
    tiny_vae: str = ""
    dtype: str = "auto"
    compile: str = "none"
    cache: str = "none"
    cache_threshold: float = 0.1
    slice_attention: bool = False
    tile_vae: bool = False
    offload: str = "none"

    def __post_init__(self) -> None:
        from genrec.creatives.layout.layout import Layout

        problems = [
            f"layouts: there is no '{name}'; {nearest(name, Layout.names())}"
            for name in self.layouts
            if name not in Layout.names()
        ]
        if not self.layouts or len(set(self.layouts)) < len(self.layouts):
            problems.append("layouts: name at least one, and none twice")
        if self.style and self.style not in Layout.styles():
            problems.append(f"style is '{self.style}'; {nearest(self.style, Layout.styles())}")
        if self.file not in (PNG, WEBP):
            problems.append(f"file is '{self.file}'; {PNG} or {WEBP}")
        if not self.scene.strip():
            problems.append("scene is empty; say what a background shows")
        problems += outside(
            self,
            steps="[1, inf)",
            guidance="[0, inf)",
            side="[0, inf)",
            liked="[0, inf)",
            intensity="[0, 1]",
            best_of="[1, inf)",
            attempts="[1, inf)",
            batch_size="[1, inf)",
        )
        if self.liked and not self.image_adapter:
            problems.append("liked asks for image prompts, which need an image_adapter")
        problems += [*self._checking_problems(), *self._painting_problems()]
        if problems:
            raise ConfigError("\n".join(problems))

    def _checking_problems(self) -> Iterator[str]:
        yield from outside(self, safety_threshold="[0, 1]", cache_threshold="[0, 1]")
        if self.safety and self.model == DRAWN:
            yield "safety looks at what a model paints, and model is none; leave one of them out"
        if self.segment_adapters and self.model == DRAWN:
            yield "segment_adapters change what a model paints, and model is none; name a model"
        if self.allow_unsafe and not self.safety:
            yield "allow_unsafe is about what a check flags; name one in safety"

    def _painting_problems(self) -> Iterator[str]:
        from genrec.diffusion.options import CACHES, COMPILE, DTYPES, OFFLOADS

        valid = {"dtype": DTYPES, "compile": COMPILE, "cache": CACHES, "offload": OFFLOADS}
        for name, choices in valid.items():
            value = getattr(self, name)
            if value not in choices:
                yield f"{name} is '{value}'; {nearest(value, choices)}"
        given = {
            "image_encoder": self.image_encoder,
            "image_adapter_file": self.image_adapter_file != ADAPTER_FILE,
        }
        for name, is_given in given.items():
            if is_given and not self.image_adapter:
                yield f"{name} is a part of an image_adapter; name one"
        if not self.image_adapter_file or self.image_adapter_file.endswith("/"):
            yield f"image_adapter_file is '{self.image_adapter_file}'; name a file"
        if self.slice_attention and self.image_adapter:
            yield "slice_attention would take the image_adapter out of the attention; choose one"
