import diffusers
import numpy as np
import pytest
import torch

from genrec.diffusion.families import family_of
from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.painter import Painter
from genrec.diffusion.picture import PictureJob
from genrec.errors import ConfigError
from genrec.training.checkpoint import load_scaler, save_scaler
from genrec.training.denoising import Denoising, packed
from genrec.training.image_lora import LoraPictures, train_image_lora, write_image_lora
from genrec.training.image_lora_options import ImageLoraConfig
from tests.diffusion.small_models import saved
from tests.small_diffusion import pictures, tiny_folder


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny_folder(tmp_path_factory.mktemp("model") / "tiny"))


def options(**changed):
    given = {
        "instance_prompt": "a zkw mug",
        "items": ["one"],
        "resolution": 32,
        "rank": 2,
        "train_batch_size": 2,
        "max_train_steps": 4,
        "checkpointing_steps": 2,
        "learning_rate": 1e-2,
    }
    return ImageLoraConfig(**(given | changed))


def trained(model, folder, *, progress=None, **changed):
    painter = Painter.load(DiffusionOptions(name=model, steps=2, dtype="float32"))
    shown = [
        LoraPictures([pictures(2), pictures(2, width=16, seed=3)], ["a zkw mug"] * 4),
        LoraPictures([pictures(2, seed=1)], ["a mug"] * 2, 0.5),
    ]
    result = train_image_lora(
        painter, shown, options=options(**changed), folder=folder, progress=progress
    )
    return painter, result


def adapter_of(painter):
    state = painter.pipe.unet.state_dict()
    return {name: value for name, value in state.items() if "lora_" in name}


def test_only_the_adapter_changes_and_diffusers_loads_it(model, tmp_path):
    painter, result = trained(model, tmp_path / "run")
    write_image_lora(painter, tmp_path / "adapter")
    assert result.steps == 4
    plain = Painter.load(DiffusionOptions(name=model, steps=2, dtype="float32"))
    before = {k.replace(".base_layer", ""): v for k, v in painter.pipe.unet.state_dict().items()}
    assert all(
        torch.equal(value, before[name]) for name, value in plain.pipe.unet.state_dict().items()
    )
    both = Painter.load(
        DiffusionOptions(
            name=model, steps=2, dtype="float32", adapters={"mug": str(tmp_path / "adapter")}
        )
    )
    without, with_it = both.paint(
        [PictureJob("a mug", seed=1), PictureJob("a mug", seed=1, adapter="mug")]
    )
    assert np.abs(without.pixels.astype(int) - with_it.pixels).max() > 0
    assert next((tmp_path / "adapter").iterdir()).suffix == ".safetensors"


def test_a_killed_run_goes_on_as_the_whole_one_would_have(model, tmp_path):
    def kill(step, steps, loss):
        if step == 3:
            raise Killed

    whole, _ = trained(model, tmp_path / "whole")
    with pytest.raises(Killed):
        trained(model, tmp_path / "killed", progress=kill)
    resumed, _ = trained(model, tmp_path / "killed")
    ours, theirs = adapter_of(whole), adapter_of(resumed)
    assert ours and all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)


def test_in_bfloat16_a_cpu_learns_nearly_what_it_does_in_float32(model, tmp_path):
    _, fine = trained(model, tmp_path / "fine")
    halved, coarse = trained(model, tmp_path / "coarse", mixed_precision="bf16")
    assert coarse.losses != fine.losses
    np.testing.assert_allclose(coarse.losses, fine.losses, rtol=0.02)
    assert {value.dtype for value in adapter_of(halved).values()} == {torch.float32}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_float16_is_refused_on_a_cpu(model, tmp_path):
    with pytest.raises(ConfigError, match="needs a GPU, and there is none here.*Take bf16"):
        trained(model, tmp_path, mixed_precision="fp16")


def test_how_far_losses_are_scaled_up_outlasts_a_kill(tmp_path):
    before, after = (torch.amp.GradScaler("cpu", init_scale=scale) for scale in (512.0, 8.0))
    save_scaler(before, tmp_path)
    load_scaler(after, tmp_path)
    assert after.state_dict() == before.state_dict()
    assert after.get_scale() == 512.0


def test_all_problems_of_the_options_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        options(rank=0, items=[], with_prior_preservation=True, lr_scheduler="wavy")
    said = str(caught.value)
    assert all(word in said for word in ("rank", "instance_data_dir", "class_prompt", "wavy"))


FAMILIES = ["sd", "sdxl", "flux"]


@pytest.fixture(scope="module")
def random_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {kind: str(saved(kind, folder / kind)) for kind in FAMILIES}


@pytest.mark.parametrize("kind", FAMILIES)
def test_an_adapter_of_each_family_is_loaded_by_diffusers_as_it_was_trained(
    kind, random_models, tmp_path
):
    asked = options(lora_alpha=4.0, max_train_steps=2, checkpointing_steps=0)
    painter = Painter.load(DiffusionOptions(name=random_models[kind], dtype="float32"))
    shown = [LoraPictures([pictures(2), pictures(2, width=16)], ["a mug", "mugs"] * 2)]
    fitted = train_image_lora(painter, shown, options=asked, folder=tmp_path / "run")
    write_image_lora(painter, tmp_path / "adapter")
    assert all(map(np.isfinite, fitted.losses))
    denoising = Denoising(painter.pipe, painter.family, snr_gamma=0.0, guidance_scale=3.5)
    words = denoising.prompts(["a mug", "a lamp"], None)
    latents = denoising.latents(pictures(2))
    batch = {
        "latents": latents,
        "noise": torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)),
        **denoising.levels(2, np.random.default_rng(0)),
        **words,
    }
    stock = type(painter.pipe).from_pretrained(random_models[kind])
    errors = []
    for loaded in (False, True):
        if loaded:
            stock.load_lora_weights(tmp_path / "adapter")
        with torch.no_grad():
            own = getattr(stock, painter.family.denoiser).eval()
            errors.append(denoising.error(own, batch))
    with torch.no_grad():
        trained = denoising.error(getattr(painter.pipe, painter.family.denoiser), batch)
    torch.testing.assert_close(errors[1], trained, rtol=1e-4, atol=1e-5)
    assert (errors[0] - trained).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("sd", "StableDiffusionPipeline"),
        ("flux", "FluxPipeline"),
    ],
)
def test_latents_are_those_that_the_model_s_own_pipeline_decodes(kind, name, random_models):
    pipe = getattr(diffusers, name).from_pretrained(random_models[kind])
    denoising = Denoising(pipe, family_of(name, kind), snr_gamma=0.0, guidance_scale=3.5)
    latents = denoising.latents(pictures(1))
    with torch.no_grad():
        pixels = torch.from_numpy(pictures(1)).float() / 127.5 - 1
        encoded = pipe.vae.encode(pixels).latent_dist.mode()
    seen, decode = [], pipe.vae.decode
    pipe.vae.decode = lambda given, **more: (seen.append(given), decode(given, **more))[1]
    # Where a step changes nothing, what is decoded is what was given.
    pipe.scheduler.step = lambda _, __, sample, **more: (sample,)
    given = packed(latents) if kind == "flux" else latents
    pipe("a mug", latents=given, height=32, width=32, num_inference_steps=1, output_type="pt")
    torch.testing.assert_close(seen[0], encoded, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("kind", "name"), [("sana", "Sana"), ("sd3", "SD3")])
def test_a_family_that_is_not_trained_is_named_with_those_that_are(kind, name, tmp_path):
    painter = Painter.load(DiffusionOptions(name=str(saved(kind, tmp_path / kind))))
    with pytest.raises(ConfigError, match=f"SD 1.5, SDXL, FLUX, and this model is of {name}"):
        Denoising(painter.pipe, painter.family, snr_gamma=0.0, guidance_scale=3.5)


def test_weights_of_noise_levels_are_refused_where_there_are_none(random_models):
    painter = Painter.load(DiffusionOptions(name=random_models["flux"]))
    with pytest.raises(ConfigError, match="FLUX has no noise levels"):
        Denoising(painter.pipe, painter.family, snr_gamma=5.0, guidance_scale=3.5)
