"""How good the semantic IDs of runs are, as the stage that built them found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genrec.errors import ArtefactError
from genrec.semantic_ids.quality import QualityReport
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.workspace import Workspace


def quality_of(folders: Sequence[Path]) -> dict[str, QualityReport]:
    """The quality report of each run, by its folder.

    Raises:
        ArtefactError: a run has no semantic IDs, or they are damaged.
    """
    found = {}
    for folder in folders:
        tokenizer, _ = SemanticIdTokenizer.load(Workspace(folder).open("semantic_ids"))
        if tokenizer.quality is None:
            raise ArtefactError(
                f"The semantic IDs of {folder} have no quality report. Build them again: "
                f"genrec run RECIPE --until build_ids --into {folder}"
            )
        found[str(folder)] = tokenizer.quality
    return found
