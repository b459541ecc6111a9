"""What a backbone starts from, by content: a folder's name does not tell what is in it now."""

from __future__ import annotations

from genrec.encoders.loading import model_facts
from genrec.llm.adapt import described, earlier, in_use
from genrec.llm.options import BackboneConfig
from genrec.workspace import content_key, seal_of


def base_content(config: BackboneConfig) -> str:
    """A hash of the LLM, and of the earlier run that goes on, where they lie in folders.

    Of an LLM that is made here or comes from a hub, the name.

    Raises:
        ArtefactError: the earlier run has no whole recommender.
    """
    if not config.start_from:
        return model_facts(config.name)
    folder = earlier(in_use(config).start_from)
    return content_key(seal_of(folder), model_facts(described(folder)[0].name))
