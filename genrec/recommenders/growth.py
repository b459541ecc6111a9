"""A trained recommender over a catalogue that has grown; nothing is trained here."""

from __future__ import annotations

import torch

from genrec.data.dataset import Dataset
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError
from genrec.llm.backbone import Backbone
from genrec.llm.growth import with_tokens
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.counts import item_counts
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.hybrid import Hybrid
from genrec.recommenders.one_pass import OnePassRecommender
from genrec.recommenders.options import GenerativeConfig
from genrec.semantic_ids.index import SemanticIndex


def check_can_grow(config: GenerativeConfig) -> None:
    """Refuses what cannot take in new items or users.

    Raises:
        ConfigError: each group of users or items has an adapter or a prefix of its own, or the
            next item is no task of the recipe.
    """
    if not config.tasks.next_item:
        raise ConfigError(
            "tasks.next_item is 0, and an update trains on the next items of new events alone. "
            "Run the recipe on all events instead."
        )
    if config.prompt.group_by:
        raise ConfigError(
            f"prompt.group_by is '{config.prompt.group_by}': each group has weights of its own, "
            "and new users or items may be of groups that have none. Such a run is not updated: "
            "run its recipe on all events instead."
        )


def grown(
    recommender: GenerativeRecommender | OnePassRecommender,
    index: SemanticIndex,
    training: Dataset,
    vectors: ItemVectors | None = None,
) -> GenerativeRecommender | OnePassRecommender:
    """The recommender of more items, with its weights; the one given is used up.

    Args:
        index: the old items first, with the IDs that they had.
        training: what may be known of events; its catalogue is the new one.
        vectors: of all its items, for a hybrid.

    Raises:
        ConfigError: see ``check_can_grow``, or a hybrid without vectors.
    """
    check_can_grow(recommender.config)
    backbone = with_tokens(recommender.backbone, index.token_names, index.codebook_sizes)
    # Looked at again with the new items' pictures, where the LLM sees any.
    backbone.pictures = None
    if isinstance(recommender, OnePassRecommender):
        other = OnePassRecommender(
            backbone, training.catalog, index, recommender.config, recommender.one_pass
        )
        with torch.no_grad():
            other.network.heads.copy_(recommender.network.heads)
            other.network.offsets.copy_(recommender.network.offsets)
        return other
    if backbone.features is not None:
        backbone.features.grow_to(len(training.catalog))
    wider = GenerativeRecommender(
        backbone,
        training.catalog,
        index,
        recommender.config,
        hybrid=_hybrid(recommender, backbone, training, vectors),
    )
    wider.learnt = recommender.learnt
    return wider


def _hybrid(
    recommender: GenerativeRecommender,
    backbone: Backbone,
    training: Dataset,
    vectors: ItemVectors | None,
) -> Hybrid | None:
    """The item table and the transitions with the new items in them; the weights stay."""
    before = recommender.hybrid
    if before is None:
        return None
    if backbone.items is not None:
        if vectors is None or list(vectors.item_ids) != training.catalog.ids:
            raise ConfigError(
                "This recommender ranks items by their vectors too, and the new items have none. "
                "Encode the whole catalogue."
            )
        # What was learned belongs to the old features, to the bit.
        added = torch.from_numpy(vectors.vectors[len(backbone.items) :])
        features = torch.cat([backbone.items.features.cpu(), added])
        chosen = torch.from_numpy(item_counts(training) > 0)
        chosen[: len(backbone.items)] |= backbone.items.trained.cpu()
        backbone.items = backbone.items.grown(features, chosen)
    transitions = before.transitions
    if transitions is not None:
        transitions = Cooccurrence.train(
            training, backoff=transitions.backoff, decay=transitions.decay
        )
    hybrid = Hybrid(before.config, transitions, window=before.window, items=len(training.catalog))
    hybrid.weights = before.weights
    return hybrid
