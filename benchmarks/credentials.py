"""Content credentials: the share of signed outputs that verify, and what signing one takes.

    python -m benchmarks.credentials

Posters of the size of a square placement and short films, each with the product's photograph as an
ingredient that has credentials of its own; signed, written, verified from the disk, one by one.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from genrec.creatives.certificate import SigningCertificate
from genrec.creatives.credentials import (
    ALGORITHMIC,
    COMPOSITE,
    Claims,
    Ingredient,
    Signer,
    check,
)
from genrec.creatives.film.motion import WHOLE, Move, moved
from genrec.creatives.film.mux import encode
from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES, draw

SIDE, EACH = 1080, 24


def contents() -> dict[str, list[bytes]]:
    """Files to sign, by their ending."""
    rng = np.random.default_rng(0)
    found: dict[str, list[bytes]] = {"png": [], "webp": [], "jpg": [], "mp4": []}
    for _ in range(EACH):
        kind, colour, pattern = (
            list(names)[int(rng.integers(len(names)))] for names in (SHAPES, COLOURS, PATTERNS)
        )
        picture = draw(kind, colour, pattern).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        for ending, how in (("png", "PNG"), ("webp", "WEBP"), ("jpg", "JPEG")):
            target = io.BytesIO()
            picture.save(target, how)
            found[ending].append(target.getvalue())
        frames = moved(
            np.asarray(picture), Move(WHOLE, (0.1, 0.1, 0.9, 0.9)), size=(360, 360), frames=24
        )
        found["mp4"].append(encode(frames, size=(360, 360), fps=24).content)
    return found


def main() -> None:
    signer = Signer(SigningCertificate.made())
    target = io.BytesIO()
    draw("mug", "red", "dots").save(target, "JPEG")
    photo = Ingredient("photo", signer.signed(target.getvalue(), Claims("photo", ALGORITHMIC, 0)))
    claims = Claims(
        "poster", COMPOSITE, 7, "small", "ab" * 16, (("c2pa.addedText", "layout square"),)
    )
    figures: dict[str, object] = {}
    valid = total = 0
    slowest = []
    with tempfile.TemporaryDirectory() as folder:
        for ending, files in contents().items():
            taken = []
            signer.write(Path(folder) / f"warm.{ending}", files[0], claims, (photo,))
            for number, content in enumerate(files):
                path = Path(folder) / f"{number}.{ending}"
                started = time.process_time()
                signer.write(path, content, claims, (photo,))
                taken.append(1000 * (time.process_time() - started))
                state, problems = check(path)
                valid += state in ("Valid", "Trusted") and not problems
                total += 1
            figures[ending] = {
                "files": len(files),
                "median_bytes": int(np.median([len(one) for one in files])),
                "ms_median": round(float(np.median(taken)), 2),
                "ms_most": round(max(taken), 2),
            }
            slowest.append(float(np.median(taken)))
    whole = {
        "c2pa_valid_share": valid / total,
        "c2pa_ms": round(max(slowest), 2),
        "by_kind": figures,
        "note": "processor time of signing, writing and verifying from the disk, one core",
    }
    print(json.dumps(whole, indent=1))


if __name__ == "__main__":
    main()
