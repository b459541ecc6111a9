"""Pictures a second: genrec's image encoder beside plain loops over the same transformers model.

Two loops: one picture at a time, as model cards show it, and batches of 32 in the same numbers
(bfloat16 where the CPU computes in it). Pictures are drawn JPEGs, of a phone's size and of a shop's
list; the towers have the shape of CLIP ViT-B/32 and of a small one, with random weights, since only
their cost counts. A second run of genrec reads its cache.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from transformers import AutoImageProcessor, CLIPVisionConfig, CLIPVisionModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from benchmarks.harness import Figures, arguments, report
from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder
from genrec.encoders.image import ImageEncoder

BATCH = 32
SHAPES = {
    "small": {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 64,
        "patch_size": 8,
    },
    "vit_b32": {"image_size": 224, "patch_size": 32},
}
# Pictures of each size (width, height), by tower: the large tower takes long for each.
SIZES = {"phone": (1600, 1200), "list": (240, 320)}
COUNTS = {"small": 192, "vit_b32": 96}


def figures(*, quick: bool = False) -> tuple[Figures, dict[str, object]]:
    """``encode_speedup`` over the loop of one picture at a time, and the ratios behind it."""
    ratios: dict[str, object] = {}
    gains = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for shape in ["small"] if quick else SHAPES:
            tower = _tower(shape, root / shape)
            for size, pixels in SIZES.items():
                count = COUNTS[shape] // (4 if quick else 1)
                catalog = _catalog(root / f"{shape}-{size}", count, pixels)
                seconds = _measured(tower, catalog, root / f"cache-{shape}-{size}")
                gains.append(seconds["one_by_one"] / seconds["genrec"])
                ratios[f"{shape}, {size}"] = {
                    "images_per_second": {k: round(count / v, 1) for k, v in seconds.items()},
                    "over_one_by_one": round(gains[-1], 2),
                    "over_batches": round(seconds["batches"] / seconds["genrec"], 2),
                    "cache_over_one_by_one": round(seconds["one_by_one"] / seconds["cache"], 1),
                }
    # The least of them: the claim holds for each tower and size.
    return {"encode_speedup": round(min(gains), 2)}, {"encoding": ratios}


def _tower(shape: str, folder: Path) -> Path:
    torch.manual_seed(0)
    config = CLIPVisionConfig(**SHAPES[shape])
    CLIPVisionModel(config).save_pretrained(folder)
    side = config.image_size
    CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    ).save_pretrained(folder)
    return folder


def _catalog(folder: Path, count: int, pixels: tuple[int, int]) -> Catalog:
    """Items with JPEGs of soft noise, which weigh about as much as photos do."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    names = [f"{number}.jpg" for number in range(count)]
    for name in names:
        coarse = generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize(pixels, Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        (folder / name).write_bytes(buffer.getvalue())
    table = pl.DataFrame({"item_id": names, "title": names, "image": names})
    return Catalog(table, media=MediaFolder.at(folder))


def _measured(tower: Path, catalog: Catalog, cache: Path, repeats: int = 3) -> dict[str, float]:
    """Median seconds of each way, in turn; genrec's first run has an empty cache each time."""
    encoder = ImageEncoder(tower)
    assert catalog.media is not None
    files = [catalog.media.root / str(name) for name in catalog.files("image")]
    model = CLIPVisionModel.from_pretrained(tower).eval()
    same = CLIPVisionModel.from_pretrained(tower, dtype=encoder.dtype).eval()
    processor = AutoImageProcessor.from_pretrained(tower, backend="pil")
    # Weights are loaded and hashed before the clock runs, as the loops' are.
    encoder.encode_contents([files[0].read_bytes()])
    fingerprint = encoder.fingerprint

    def loop(model: Any, batch: int) -> np.ndarray:
        rows = []
        with torch.inference_mode():
            for start in range(0, len(files), batch):
                pictures = [Image.open(f).convert("RGB") for f in files[start : start + batch]]
                pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
                rows.append(model(pixel_values=pixels.to(model.dtype)).pooler_output.float())
        return torch.cat(rows).numpy()

    def ours(folder: Path) -> np.ndarray:
        encoder._cache_folder = folder
        return encoder.encode(catalog).vectors

    taken: dict[str, list[float]] = {}
    for turn in range(repeats):
        fresh = cache / f"{fingerprint}-{turn}"
        runs: dict[str, Callable[[], np.ndarray]] = {
            "one_by_one": lambda: loop(model, 1),
            "batches": lambda: loop(same, BATCH),
            "genrec": partial(ours, fresh),
            "cache": partial(ours, fresh),
        }
        found = {}
        for name, run in runs.items():
            before = time.perf_counter()
            found[name] = run()
            taken.setdefault(name, []).append(time.perf_counter() - before)
    _check_alike(found["one_by_one"], found["genrec"])
    return {name: float(np.median(one)) for name, one in taken.items()}


def _check_alike(plain: np.ndarray, ours: np.ndarray) -> None:
    plain = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    cosines = (plain * ours).sum(1)
    if cosines.min() < 0.98:
        raise RuntimeError(f"The vectors differ from the loop's: least cosine {cosines.min():.3f}")


def main() -> None:
    found, protocol = figures(quick=arguments(str(__doc__)).quick)
    report(found, **protocol)


if __name__ == "__main__":
    main()
