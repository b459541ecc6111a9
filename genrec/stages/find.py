"""Items of a run by words or by a picture; what is encoded once is found ever after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrec.data.catalog import Item
from genrec.data.filters import FilterCompiler
from genrec.data.pictures import open_picture
from genrec.encoders.base import Encoder, ItemVectors
from genrec.encoders.finder import Finder
from genrec.encoders.image import ImageEncoder
from genrec.encoders.modalities import encoders_of
from genrec.encoders.vector_index import VectorIndex
from genrec.errors import InputError
from genrec.stages.prepare import by_field, seeing_by_own_tower, stored_data, stored_modalities
from genrec.stages.run import Run
from genrec.workspace import content_key

LARGEST_PICTURE = 64 * 1024 * 1024
_INDEX = "index.faiss"


@dataclass(frozen=True)
class Answer:
    """An item that was found.

    Attributes:
        score: see ``Found``.
        ranks: its place in each list that it was found in.
    """

    item: Item
    score: float
    ranks: dict[str, int]


def find(
    run: Run,
    text: str = "",
    picture: Path | None = None,
    *,
    n: int = 10,
    where: Mapping[str, Any] | None = None,
) -> list[Answer]:
    """The n items that answer words, a picture or both best, and pass the filter.

    Raises:
        ArtefactError: the run has no data set or nothing that was encoded.
        InputError: the picture or the filter cannot be used, or no item passes it.
        ConfigError: no encoder of the run can compare the question with its items.
    """
    content = b"" if picture is None else _content(picture)
    dataset = stored_data(run)
    rules = FilterCompiler(dataset.catalog).compile(where)
    found = finder_of(run).find(text, content, n=n, allowed=rules.allowed)
    if not found:
        raise InputError("No item passes the filter. Widen it.", list(rules.doubts))
    return [Answer(dataset.catalog[one.item], one.score, one.ranks) for one in found]


def finder_of(run: Run) -> Finder:
    """What finds items by the vectors of a run.

    Raises:
        ArtefactError: nothing was encoded.
    """
    encoders, vectors = _encoded(run)
    usable = {kind: one for kind, one in encoders.items() if kind in vectors}
    return Finder(usable, {kind: _index(run, kind, vectors[kind]) for kind in usable})


def _encoded(run: Run) -> tuple[dict[str, Encoder], dict[str, ItemVectors]]:
    """Encoders and vectors of a run: of its items, or those of the towers that it pretrained."""
    if run.workspace.path("tower").is_dir() and not run.workspace.path("item_vectors").is_dir():
        encoder = ImageEncoder(run.workspace.open("tower"))
        return {"image": encoder}, {"image": encoder.encode(stored_data(run).catalog)}
    pretraining = run.recipe.pretrain
    if pretraining and pretraining.content and pretraining.content.tower:
        run = seeing_by_own_tower(run, run.workspace.open("tower"))
    encoders = encoders_of(run.recipe.encode, by_field=by_field(run.recipe))
    return encoders, stored_modalities(run)


def _index(run: Run, kind: str, vectors: ItemVectors) -> VectorIndex:
    """Made at once for thousands of items; for more, made once and kept in the workspace."""
    name = f"find_{kind}"
    key = content_key(name, vectors.fingerprint, vectors.item_ids)
    if run.workspace.is_current(name, key):
        return VectorIndex.read(run.workspace.path(name) / _INDEX)
    index = VectorIndex(vectors)
    if not index.exact:
        with run.workspace.lock(), run.workspace.write(name, key) as folder:
            index.write(folder / _INDEX)
    return index


def _content(path: Path) -> bytes:
    # A pipe or a device could be read for ever.
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file. Name a picture.")
    try:
        if path.stat().st_size > LARGEST_PICTURE:
            raise InputError(f"{path} has more than {LARGEST_PICTURE:,} bytes. Make it smaller.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}. Name a picture.") from error
    try:
        # Before an encoder is loaded, which takes longer and knows no names of files.
        open_picture(content)
    except InputError as error:
        raise InputError(f"{path} cannot be used: {error}. Name another picture.") from error
    return content
