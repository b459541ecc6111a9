"""Content credentials: the share of signed files that verify, and what signing one takes.

``python -m benchmarks.credentials`` prints one line of JSON. Posters of 1080 pixels a side as PNG,
WebP and JPEG, and films of a second, each with the product's photograph as an ingredient that has
credentials of its own: signed, written, read back and verified, one by one.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness import Figures, arguments, report
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


def contents(each: int) -> dict[str, list[bytes]]:
    """Files to sign, by their ending."""
    rng = np.random.default_rng(0)
    found: dict[str, list[bytes]] = {"png": [], "webp": [], "jpg": [], "mp4": []}
    for _ in range(each):
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
    chosen = arguments(__doc__ or "")
    signer = Signer(SigningCertificate.made())
    target = io.BytesIO()
    draw("mug", "red", "dots").save(target, "JPEG")
    photo = Ingredient("photo", signer.signed(target.getvalue(), Claims("photo", ALGORITHMIC, 0)))
    claims = Claims(
        "poster", COMPOSITE, 7, "small", "ab" * 16, (("c2pa.addedText", "layout square"),)
    )
    figures: Figures = {}
    valid: list[bool] = []
    seconds: dict[str, list[float]] = {}
    wall: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for ending, files in contents(4 if chosen.quick else EACH).items():
            signer.write(Path(folder) / f"warm.{ending}", files[0], claims, (photo,))
            for number, content in enumerate(files):
                path = Path(folder) / f"{number}.{ending}"
                begun, started = time.perf_counter(), time.process_time()
                signer.write(path, content, claims, (photo,))
                seconds.setdefault(ending, []).append(time.process_time() - started)
                wall.append(time.perf_counter() - begun)
                state, problems = check(path)
                valid.append(state in ("Valid", "Trusted") and not problems)
            figures[f"c2pa_{ending}_bytes"] = int(np.median([len(one) for one in files]))
    for ending, taken in seconds.items():
        figures[f"c2pa_{ending}_ms"] = round(1000 * float(np.median(taken)), 2)
        figures[f"c2pa_{ending}_ms_most"] = round(1000 * max(taken), 2)
    figures["c2pa_ms"] = max(round(1000 * float(np.median(taken)), 2) for taken in seconds.values())
    figures["c2pa_wall_ms"] = round(1000 * float(np.median(wall)), 2)
    figures["c2pa_valid_share"] = sum(valid) / len(valid)
    report(
        figures,
        files=len(valid),
        c2pa_ms="processor time of signing, writing and verifying from the disk: the median of the "
        "slowest kind of file; wall time beside it",
    )


if __name__ == "__main__":
    main()
