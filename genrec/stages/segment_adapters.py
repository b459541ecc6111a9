"""Image adapters of segments: what is written beside each, and whose adapter is whose today.

Segments are found anew from the data of the day, and the largest is always ``s1``. What an adapter
knows its segment by is therefore the name, which says what lifts its users.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genrec.data.reading import reading
from genrec.errors import ConfigError
from genrec.profiles.segments import Segment, Segments
from genrec.workspace import write_text

NOTE = "adapter.json"


@dataclass(frozen=True)
class AdapterNote:
    """What is to be known of an image adapter beside its weights.

    Attributes:
        model: that it was trained on, as the recipe named it.
        prompt: what its pictures were said to show.
        pictures: that were learned.
        segment: whose liking was learned, as ``Segment.to_dict`` has it; ``None`` of a product.
    """

    model: str
    prompt: str
    pictures: int
    segment: dict[str, Any] | None = None

    def write(self, folder: Path) -> None:
        """Writes ``adapter.json``."""
        write_text(folder / NOTE, json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n")

    @staticmethod
    def read(folder: Path) -> AdapterNote:
        """What lies beside an adapter.

        Raises:
            ArtefactError: nothing does, or it is damaged.
        """
        with reading(folder, "image adapter of genrec", then="Train it: finetune/image-lora."):
            note = AdapterNote(**json.loads((folder / NOTE).read_text(encoding="utf-8")))
            of = {} if note.segment is None else note.segment
            if note.segment is not None and not all(
                isinstance(of.get(name), str) for name in ("id", "name")
            ):
                raise ValueError("its segment has no id and name")
            return note


def adapters_by_segment(folders: Sequence[str], segments: Segments) -> dict[str, str]:
    """Of each segment of today that has an adapter, by its id, the adapter's folder.

    Args:
        folders: as ``genrec run finetune/image-lora`` leaves them (``image_lora/`` of a run).

    Raises:
        ArtefactError: a folder is no adapter that was trained here.
        ConfigError: an adapter is of no segment that there is, or two are of one; names all.
    """
    today: dict[str, Segment] = {one.name: one for one in segments.segments}
    found: dict[str, str] = {}
    problems = []
    for folder in folders:
        of = AdapterNote.read(Path(folder)).segment
        if of is None:
            problems.append(
                f"{folder} is of a product and of no segment; train it with segment=…, or name it "
                "in adapters, by the segment's id"
            )
        elif of["name"] not in today:
            known = ", ".join(f"{one.id} ({one.name})" for one in segments.segments) or "none"
            problems.append(
                f"{folder} is of the segment '{of['name']}', which there is not; there are: {known}"
            )
        elif (segment := today[of["name"]]).id in found:
            problems.append(f"{folder} and {found[segment.id]} are both of '{segment.name}'")
        else:
            found[segment.id] = folder
    if problems:
        raise ConfigError("picture.segment_adapters do not fit: " + "; ".join(problems))
    return found
