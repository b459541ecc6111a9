"""The card that lies beside a stored recommender: what it is, and for which catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genrec.data.catalog import Catalog
from genrec.errors import ArtefactError, StorageError

CARD = "recommender.json"


def write_card(folder: Path, kind: str, catalog: Catalog, options: dict[str, Any]) -> None:
    """Writes ``recommender.json``, making the folder where there is none.

    Raises:
        StorageError: the folder cannot be written.
    """
    card = {"kind": kind, "catalog": catalog.fingerprint, "items": len(catalog), "options": options}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CARD).write_text(json.dumps(card, indent=1))
    except OSError as error:
        raise StorageError(
            f"{folder / CARD} cannot be written: {error}. Free some space or choose another folder."
        ) from error


def read_card(folder: Path, kind: str, catalog: Catalog) -> dict[str, Any]:
    """The stored options.

    Raises:
        ArtefactError: no card, a damaged one, or one of another kind or catalogue.
    """
    path = folder / CARD
    try:
        card = json.loads(path.read_text())
        found, fingerprint, options = card["kind"], card["catalog"], dict(card["options"])
    except FileNotFoundError:
        raise ArtefactError(f"{folder} has no {CARD}. Train the recommender first.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} is damaged: {error}. Train the recommender again.") from error
    if found != kind:
        raise ArtefactError(f"{folder} holds a '{found}', not a '{kind}'. Load it as '{found}'.")
    if fingerprint != catalog.fingerprint:
        raise ArtefactError(
            f"{folder} was trained on another catalogue ({fingerprint}, here "
            f"{catalog.fingerprint}). Train the recommender again on this one."
        )
    return options
