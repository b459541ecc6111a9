"""Every kind of content that a recipe names, encoded; and the kinds joined into one vector.

Text, pictures, sounds and films each have their own encoder and their own mask of what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from genrec.data.catalog import MEDIA_COLUMNS, Catalog
from genrec.encoders.base import Encoder, ItemVectors, Progress
from genrec.encoders.concatenation import concatenate
from genrec.encoders.modality_vectors import FIELD, Modalities
from genrec.encoders.options import EncodeConfig
from genrec.encoders.text import TextEncoder
from genrec.errors import ConfigError
from genrec.registry import Entry, Registry

TEXT = "text"
MODALITIES = (TEXT, *MEDIA_COLUMNS)

ENCODERS = Registry(
    "encoder",
    {
        "text": Entry("genrec.encoders.text:TextEncoder", "llm", "any sentence-transformers model"),
        "image": Entry(
            "genrec.encoders.image:ImageEncoder", "llm", "any vision tower, CLIP, SigLIP"
        ),
        "audio": Entry("genrec.encoders.audio:AudioEncoder", "llm", "CLAP, wav2vec2, Whisper, AST"),
        "video": Entry(
            "genrec.encoders.video:VideoEncoder", "llm", "frames through a vision tower"
        ),
    },
)


def kinds_of(config: EncodeConfig, *, by_field: bool = False) -> list[str]:
    """Names of what is encoded, in order.

    Args:
        by_field: each of the named fields is a kind of its own, such as ``text.title``.
    """
    words = [TEXT] if config.model else []
    if by_field and words and config.fields:
        words = [f"{TEXT}{FIELD}{field}" for field in dict.fromkeys(config.fields)]
    return [*words, *(kind for kind in MEDIA_COLUMNS if getattr(config, kind) is not None)]


def encoders_of(
    config: EncodeConfig, *, cache: Path | None = None, by_field: bool = False
) -> dict[str, Encoder]:
    """The encoder of each kind of content that a recipe names, by kind.

    Args:
        by_field: as of ``kinds_of``.

    Raises:
        ConfigError: it names none, or takes the vectors of another run.
    """
    if config.vectors_from:
        raise ConfigError(
            f"The item vectors come from {config.vectors_from} (encode.vectors_from), so the run "
            "has no encoder to compare words or pictures with them. Find items in that run: "
            f"genrec find {config.vectors_from} WORDS."
        )
    found: dict[str, Encoder] = {}
    words: TextEncoder | None = None
    for kind in kinds_of(config, by_field=by_field):
        group, _, field = kind.partition(FIELD)
        if group != TEXT:
            options = getattr(config, kind)
            found[kind] = ENCODERS.load(kind).from_config(options, cache=cache)
            continue
        words = words or ENCODERS.load(TEXT).from_config(config, cache=cache)
        found[kind] = words.reading([field]) if field else words
    if not found:
        raise ConfigError(
            "The recipe encodes nothing: encode.model is empty and none of "
            f"{', '.join(MEDIA_COLUMNS)} is named."
        )
    return found


def encode_modalities(
    config: EncodeConfig,
    catalog: Catalog,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    by_field: bool = False,
) -> dict[str, ItemVectors]:
    """Vectors of each kind of content, by kind, all in the catalogue's order.

    Args:
        progress: called with items done and items in all, over all kinds.
        by_field: as of ``kinds_of``.
    """
    encoders = encoders_of(config, cache=cache, by_field=by_field)
    whole = len(catalog) * len(encoders)
    vectors = {}
    for number, (kind, encoder) in enumerate(encoders.items()):
        before = number * len(catalog)
        tell = None if progress is None else (lambda done, _, b=before: progress(b + done, whole))
        vectors[kind] = encoder.encode(catalog, tell)
    return vectors


def joined(vectors: Mapping[str, ItemVectors]) -> ItemVectors:
    """One vector for each item: the only kind as it is, or several as ``concatenate`` joins them.

    Returns:
        Vectors whose mask says which items have any content at all.
    """
    if len(vectors) == 1:
        return next(iter(vectors.values()))
    problems = tuple(problem for one in vectors.values() for problem in one.problems)
    return replace(concatenate(Modalities(vectors)).vectors, problems=problems)
