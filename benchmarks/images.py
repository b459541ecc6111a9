"""Mixed batches of pictures: genrec's painter beside loops and batches of stock diffusers.

Eight users, each with a prompt, an image prompt and a seed of their own, and four LoRA among them.
The model has the shape of SD 1.5 with random weights at small sizes on a CPU, and that of SDXL at
1024 x 1024 in bfloat16 on a GPU: only cost and differences count. Four steps (LCM), a tiny VAE and
no negative prompt, as few-step models are used; the difference is measured with guidance too.

The loop is what model cards show: for each user ``set_adapters``, then a call of the pipeline, with
all adapters loaded beforehand. The uniform batch is the painter's own with one prompt, one image
prompt and one LoRA, only the seeds differ.
"""

from __future__ import annotations

import gc
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Figures, arguments, not_measured, report
from genrec.diffusion import DiffusionOptions, PictureJob
from genrec.diffusion.painter import Painter

USERS, STEPS, RANK = 8, 4, 8
ADAPTERS = ("bakers", "hikers", "parents", "gardeners")
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
PLACES = ("kitchen", "beach", "garden", "office", "forest", "street", "attic", "snow")


def figures(*, quick: bool = False) -> tuple[Figures, dict[str, object]]:
    """Difference and times of a mixed batch, with the protocol that they were measured by."""
    gpu = torch.cuda.is_available()
    kind = "sdxl" if gpu else "small" if quick else "sd15"
    sides = [1024] if gpu and not quick else [64] if quick or not gpu else [512]
    found: Figures = {}
    by_size: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _write_models(kind, root)
        options = _options(root, sides[0], dtype="bfloat16" if gpu else "float32")
        painter = Painter.load(options)
        for side in sides:
            by_size[f"{side} px"] = _times(painter, side, rounds=1 if kind == "sd15" else 3)
        found |= _differences(painter, sides[0], gpu=gpu)
    first: Any = by_size[f"{sides[0]} px"]
    found["mixed_vs_uniform"] = first["mixed_vs_uniform_warm"]
    found["mixed_vs_loop_speedup"] = first["loop_vs_mixed_cold"]
    if gpu:
        found["sdxl_speedup"] = first["loop_vs_mixed_cold"]
        found["sdxl_images_per_second"] = round(USERS / first["mixed_cold_s"], 2)
    else:
        for key in ("sdxl_speedup", "sdxl_images_per_second"):
            found |= not_measured(key, "needs a GPU")
    protocol = {
        "model": kind,
        "users": USERS,
        "adapters": len(ADAPTERS),
        "rank": RANK,
        "steps": STEPS,
        "threads": torch.get_num_threads(),
        "clock": "processor seconds" if _by_processor() else "wall seconds",
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "headline_size": f"{sides[0]} px",
        "by_size": by_size,
    }
    return found, protocol


def _times(painter: Painter, side: int, *, rounds: int) -> dict[str, float]:
    mixed = [replace(job, width=side, height=side) for job in _jobs()]
    uniform = [replace(mixed[0], seed=job.seed) for job in mixed]

    def cold(jobs: list[PictureJob]) -> Callable[[], object]:
        def run() -> object:
            painter._encodings._kept.clear()
            return painter.paint(jobs)

        return run

    runs = {
        "mixed_cold": cold(mixed),
        "uniform_cold": cold(uniform),
        "mixed_warm": lambda: painter.paint(mixed),
        "uniform_warm": lambda: painter.paint(uniform),
    }
    seconds: dict[str, list[float]] = {key: [] for key in (*runs, "loop")}
    painter.paint(mixed)
    stock = _Stock(painter)
    with stock:
        stock.loop(mixed[:1])
    for turn in range(rounds):
        for key, run in runs.items():
            if key.endswith("warm"):
                # The run before has forgotten what this one is to find encoded.
                run()
            seconds[key].append(_seconds(run))
        with stock:
            seconds["loop"].append(_seconds(lambda: stock.loop(mixed)))
        print(f"{side} px, turn {turn}: {_last(seconds)}", file=sys.stderr)
    middle = {key: median(values) for key, values in seconds.items()}
    return {
        "loop_vs_mixed_cold": round(middle["loop"] / middle["mixed_cold"], 2),
        "loop_vs_mixed_warm": round(middle["loop"] / middle["mixed_warm"], 2),
        "mixed_vs_uniform_warm": round(middle["mixed_warm"] / middle["uniform_warm"], 3),
        "mixed_vs_uniform_cold": round(middle["mixed_cold"] / middle["uniform_cold"], 3),
        **{f"{key}_s": round(value, 2) for key, value in middle.items()},
    }


def _differences(painter: Painter, side: int, *, gpu: bool) -> Figures:
    """Largest differences between a mixed batch and the same one by one.

    Of latents, in their standard deviations, and of pixels in 255ths.
    """
    latents: list[torch.Tensor] = []
    decode = painter.pipe.vae.decode

    def listen(states: torch.Tensor, *rest: Any, **given: Any) -> Any:
        latents.append(states.float().cpu())
        return decode(states, *rest, **given)

    jobs = [
        replace(
            job,
            width=side,
            height=side,
            negative="dark",
            guidance=1.5 + number / 2,
            intensity=1 - number / 16,
        )
        for number, job in enumerate(_jobs())
    ]
    # In the order in which the painter lays them into its batch.
    jobs.sort(key=lambda job: job.adapter)
    painter.pipe.vae.decode = listen
    together = painter.paint(jobs)
    (batch,) = latents
    latents.clear()
    alone = [painter.paint([job])[0] for job in jobs]
    painter.pipe.vae.decode = decode
    gap = float((batch - torch.cat(latents)).abs().max())
    pixels = [
        np.abs(one.pixels.astype(int) - other.pixels).max()
        for one, other in zip(together, alone, strict=True)
    ]
    key = "mixed_batch_difference_bfloat16" if gpu else "mixed_batch_difference"
    return {
        # Random weights make latents many times as large as a trained model's, whose std is 1.
        key: float(f"{gap / float(batch.std()):.2g}"),
        "latents_difference": float(f"{gap:.2g}"),
        "latents_std": round(float(batch.std()), 2),
        "again_alone_max_255ths": int(max(pixels)),
        "again_alone_identical": sum(not value for value in pixels),
    }


def _jobs() -> list[PictureJob]:
    generator = np.random.default_rng(0)
    return [
        PictureJob(
            f"a red mug in the {place}, product photograph",
            seed=1000 + number,
            image_prompts=(generator.integers(0, 256, (224, 224, 3), np.uint8),),
            image_scale=0.4 + number / 20,
            adapter=ADAPTERS[number % len(ADAPTERS)],
            adapter_scale=0.6 + number / 20,
        )
        for number, place in enumerate(PLACES)
    ]


class _Stock:
    """The same parts as diffusers runs them alone; within, genrec's hooks have nothing to do."""

    def __init__(self, painter: Painter) -> None:
        self.painter, self.pipe = painter, painter.pipe

    def __enter__(self) -> None:
        self._switch(stock=True)

    def __exit__(self, *_: object) -> None:
        self._switch(stock=False)

    def _switch(self, *, stock: bool) -> None:
        from peft.tuners.lora import LoraLayer

        for module in self.painter._denoiser.modules():
            if isinstance(module, LoraLayer):
                module.enable_adapters(enabled=stock)

    def loop(self, jobs: list[PictureJob]) -> None:
        from PIL import Image

        for job in jobs:
            self.pipe.set_adapters(job.adapter, job.adapter_scale)
            self.pipe.set_ip_adapter_scale(job.image_scale)
            self.pipe(
                job.prompt,
                ip_adapter_image=Image.fromarray(job.image_prompts[0]),
                generator=torch.Generator("cpu").manual_seed(job.seed),
                num_inference_steps=STEPS,
                guidance_scale=1.0,
                width=job.width,
                height=job.height,
                output_type="np",
            )


def _options(root: Path, side: int, *, dtype: str) -> DiffusionOptions:
    return DiffusionOptions(
        name=str(root / "model"),
        scheduler="lcm",
        steps=STEPS,
        width=side,
        height=side,
        dtype=dtype,
        batch_size=USERS,
        tiny_vae=str(root / "tiny_vae"),
        image_adapter=str(root / "images"),
        adapters={name: str(root / f"{name}.safetensors") for name in ADAPTERS},
    )


def _write_models(kind: str, root: Path) -> None:
    """A model, a tiny VAE, an IP-Adapter and four LoRA with random weights."""
    import diffusers
    from safetensors.torch import save_file

    torch.manual_seed(0)
    # Drawing random weights in half the numbers and half the time changes no cost.
    pipe = _model(kind, diffusers)
    pipe.save_pretrained(root / "model")
    diffusers.AutoencoderTiny(
        encoder_block_out_channels=(64,) * 4, decoder_block_out_channels=(64,) * 4
    ).save_pretrained(root / "tiny_vae")
    _write_image_adapter(pipe.unet, root / "images", small=kind == "small")
    for number, name in enumerate(ADAPTERS):
        generator = torch.Generator().manual_seed(number)
        state: dict[str, torch.Tensor] = {}
        for path, module in pipe.unet.named_modules():
            if path.endswith(tuple(ATTENTION)) and isinstance(module, torch.nn.Linear):
                down = torch.randn(RANK, module.in_features, generator=generator) * 0.05
                up = torch.randn(module.out_features, RANK, generator=generator) * 0.05
                state |= {f"unet.{path}.lora_A.weight": down, f"unet.{path}.lora_B.weight": up}
        save_file(state, root / f"{name}.safetensors")
    del pipe
    gc.collect()


def _model(kind: str, diffusers: Any) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from tests.diffusion.small_models import clip_tokenizer

    wide = {"intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    wide |= {"hidden_size": 768, "projection_dim": 768, "eos_token_id": 513, "bos_token_id": 512}
    if kind == "small":
        wide |= {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2}
        wide |= {"num_attention_heads": 4}
    text = CLIPTextModel(CLIPTextConfig(**wide))
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        steps_offset=1,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(32,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
    )
    if kind == "sdxl":
        bigg = wide | {"hidden_size": 1280, "intermediate_size": 5120, "projection_dim": 1280}
        bigg |= {"num_hidden_layers": 32, "num_attention_heads": 20}
        unet = diffusers.UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        return diffusers.StableDiffusionXLPipeline(
            vae=vae,
            text_encoder=text,
            text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(**bigg)),
            tokenizer=clip_tokenizer(),
            tokenizer_2=clip_tokenizer(),
            unet=unet,
            scheduler=scheduler,
        ).to(torch.bfloat16)
    small = {"block_out_channels": (64, 128, 128, 128), "cross_attention_dim": 128}
    unet = diffusers.UNet2DConditionModel(
        sample_size=64, **({"cross_attention_dim": 768} if kind == "sd15" else small)
    )
    return diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=clip_tokenizer(),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _write_image_adapter(unet: Any, folder: Path, *, small: bool) -> None:
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    # ViT-B/32: the smallest CLIP that is in use.
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2} if small else {}
    heads = {"num_attention_heads": 4} if small else {}
    vision = CLIPVisionModelWithProjection(CLIPVisionConfig(**shape, **heads))
    vision.save_pretrained(folder / "image_encoder")
    wide, seen = unet.config.cross_attention_dim, vision.config.projection_dim
    state = {
        "image_proj.proj.weight": torch.randn(4 * wide, seen) * 0.05,
        "image_proj.proj.bias": torch.zeros(4 * wide),
        "image_proj.norm.weight": torch.ones(wide),
        "image_proj.norm.bias": torch.zeros(wide),
    }
    layers = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(layers):
        hidden = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for part in ("to_k_ip", "to_v_ip"):
            state[f"ip_adapter.{2 * number + 1}.{part}.weight"] = torch.randn(hidden, wide) * 0.03
    save_file(state, folder / "ip_adapter.safetensors")


def _seconds(run: Callable[[], object]) -> float:
    clock = time.process_time if _by_processor() else time.perf_counter
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = clock()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start


def _by_processor() -> bool:
    return torch.get_num_threads() == 1 and not torch.cuda.is_available()


def _last(seconds: dict[str, list[float]]) -> str:
    return ", ".join(f"{key} {values[-1]:.2f} s" for key, values in seconds.items())


if __name__ == "__main__":
    logging.getLogger("transformers").setLevel(logging.ERROR)
    found, protocol = figures(quick=arguments(__doc__ or "").quick)
    report(found, **protocol)
