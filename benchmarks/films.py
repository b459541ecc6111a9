"""Films: what one takes, and whether the check of a product's identity tells it from others.

``python -m benchmarks.films`` prints one line of JSON. Products of the toy shop: each is followed
through the camera's own movements, and held against its neighbours in colour and pattern.
"""

from __future__ import annotations

import time
from itertools import product as pairs

import numpy as np
from PIL import Image

from benchmarks.harness import Figures, arguments, report
from genrec.creatives.film.identity import Identity
from genrec.creatives.film.making import make_film
from genrec.creatives.film.motion import moved
from genrec.creatives.film.mux import inspect
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.overlay import Overlay
from genrec.creatives.film.scenes import Scene, Words, storyboard
from genrec.creatives.product import cut_out
from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES, draw

SIDE = 480
WORDS = Words("Alba mug", "For your kitchen", "Stoneware", "$9.99", "Have a look")


def photo(kind: str, colour: str, pattern: str) -> np.ndarray:
    """A product's drawing, shape (SIDE, SIDE, 3), uint8."""
    drawn = draw(kind, colour, pattern).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(drawn)


def neighbours(colour: str, pattern: str) -> list[tuple[str, str]]:
    """The same thing in each other colour, and in each other pattern."""
    others = [(one, pattern) for one in COLOURS if one != colour]
    return others + [(colour, one) for one in PATTERNS if one != pattern]


def identity(things: list[tuple[str, str, str]]) -> Figures:
    """Drift of products through camera movements, and of their neighbours."""
    own: list[float] = []
    changed: list[float] = []
    for kind, colour, pattern in things:
        picture = photo(kind, colour, pattern)
        cutout = cut_out(picture)
        shown = cutout.alpha > 250
        known = Identity(picture, shown)
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        box = tuple(one / SIDE for one in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        for shot in storyboard(WORDS, box, seconds=15, seed=len(own)):
            own += known.drifts(list(moved(picture, shot.move, size=(320, 320), frames=3))).tolist()
        changed += [known.drift(photo(kind, *other)) for other in neighbours(colour, pattern)]
    limit = FilmOptions().drift
    return {
        "identity_own_worst": round(max(own), 4),
        "identity_own_rejected": float(np.mean(np.array(own) > limit)),
        "identity_changed_least": round(min(changed), 4),
        "identity_changed_missed": round(float(np.mean(np.array(changed) <= limit)), 4),
        "identity_frames": len(own),
        "identity_changes": len(changed),
    }


def film_time() -> Figures:
    """Processor seconds of a film of six seconds, 720 x 1280, 24 frames a second."""
    options = FilmOptions()
    width, height = options.size
    picture = np.asarray(
        draw("mug", "teal", "dots").resize((width, height), Image.Resampling.LANCZOS)
    )
    shown = np.zeros((height, width), bool)
    shown[height // 3 : height * 3 // 4, width // 4 : width * 3 // 4] = True
    shots = storyboard(WORDS, (0.25, 1 / 3, 0.75, 0.75), seconds=options.seconds, seed=0)
    scenes = [Scene(shot, picture, shown, Overlay.none(options.size)) for shot in shots]
    started = time.process_time()
    made = make_film(scenes, options)
    took = time.process_time() - started
    seen = inspect(made.content)
    exact = (seen.frames, seen.seconds, seen.size) == (
        options.frames,
        options.seconds,
        options.size,
    )
    return {
        "film_6s_cpu_seconds": round(took, 2),
        "film_exact": exact,
        "film_encoder": made.encoder,
    }


def main() -> None:
    chosen = arguments(__doc__ or "")
    things = list(pairs(SHAPES, COLOURS, PATTERNS))
    picked = np.random.default_rng(0).permutation(len(things))[: 6 if chosen.quick else 48]
    figures = {**identity([things[one] for one in picked]), **film_time()}
    report(figures, limit=FilmOptions().drift, products=len(picked))


if __name__ == "__main__":
    main()
