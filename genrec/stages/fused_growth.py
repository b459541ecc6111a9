"""New items of a run whose vectors another run fused: encoded and fused as that run does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genrec.data.catalog import MEDIA_COLUMNS, Catalog
from genrec.data.storage import read_dataset
from genrec.encoders.base import ItemVectors, Progress
from genrec.encoders.modalities import encode_modalities
from genrec.encoders.modality_vectors import Modalities
from genrec.errors import ArtefactError, ConfigError
from genrec.recommenders.content import ContentRecommender
from genrec.stages.fused import CONTENT, FUSED
from genrec.stages.prepare import by_field, seeing_by_own_tower
from genrec.stages.run import Run
from genrec.stages.shop import stored_run

_ELSE = (
    "Put it back as it was, leave --items and the events of new items out (--unknown drop), or run "
    "both recipes on all items."
)


@dataclass(frozen=True)
class Fuser:
    """The content run that fused a run's vectors, ready to fuse those of further items.

    Attributes:
        source: its folder, as ``encode.vectors_from`` names it.
        run: it, with the tower that it trained, if it did.
        recommender: what it trained.
    """

    source: str
    run: Run
    recommender: ContentRecommender

    @staticmethod
    def of(run: Run, catalog: Catalog) -> Fuser:
        """What fused the vectors of a run; nothing is encoded yet.

        Args:
            catalog: of the run, which new items are added to.

        Raises:
            ConfigError: the content run is gone, damaged, or was trained again since; or it sees
                pictures, sounds or films, and the run's data do not say where such files lie.
        """
        source = str(run.recipe.encode.vectors_from)
        what = f"New items of {run.workspace.folder} are encoded and fused by {source}"
        try:
            own = stored_run(Path(source))
            place = own.workspace.open(CONTENT)
            theirs = ItemVectors.load(place / FUSED)
            items = read_dataset(own.workspace.open("dataset")).catalog
            recommender = ContentRecommender.load(place / "model", items)
            pretraining = own.recipe.pretrain
            if pretraining and pretraining.content and pretraining.content.tower:
                own = seeing_by_own_tower(own, own.workspace.open("tower"))
        except ArtefactError as error:
            raise ConfigError(f"{what}, which cannot be used: {error} {_ELSE}") from error
        ours = ItemVectors.load(run.workspace.open("item_vectors") / "vectors")
        if ours.fingerprint != theirs.fingerprint:
            raise ConfigError(
                f"{what}, which was trained again since the vectors of the old ones were taken: "
                f"the new ones would lie in another space. {_ELSE}"
            )
        seen = [kind for kind in MEDIA_COLUMNS if kind in recommender.modalities.groups]
        if seen and catalog.media is None:
            raise ConfigError(
                f"{what}, which looks at {' and '.join(seen)}; the data of this run do not say "
                "where such files lie, and vectors of words alone would be worse than those of the "
                f"old items. Make the section 'data' of its recipe that of {source} and run it "
                "again, or leave new items out (--unknown drop)."
            )
        return Fuser(source, own, recommender)

    def fused(self, new: Catalog, progress: Progress | None = None) -> ItemVectors:
        """A vector for each new item, as its content is fused with what was learned.

        Raises:
            ConfigError: an encoder is another one than that of the old items.
        """
        recipe = self.run.recipe
        found = encode_modalities(recipe.encode, new, progress=progress, by_field=by_field(recipe))
        for kind, one in self.recommender.modalities.vectors.items():
            if found[kind].fingerprint != one.fingerprint:
                raise ConfigError(
                    f"The encoder of {kind} is not the one that {self.source} was made with: its "
                    f"weights or its package have changed. {_ELSE}"
                )
        vectors = self.recommender.seeing(Modalities(found), new).item_vectors()
        problems = tuple(problem for one in found.values() for problem in one.problems)
        return ItemVectors(
            vectors.item_ids, vectors.vectors, vectors.mask, vectors.fingerprint, problems
        )
