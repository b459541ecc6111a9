import json
import re

import diffusers
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from genrec.diffusion import DiffusionOptions, PictureJob
from genrec.diffusion.options import CACHES, OWN, SCHEDULERS
from genrec.diffusion.painter import Painter
from genrec.diffusion.safety import ImageClassifier, safety_check
from genrec.errors import ConfigError, MissingExtra
from tests.diffusion.small_models import FAMILIES, save_lora, saved

NOISE = [name for name in SCHEDULERS if name != OWN and not name.startswith("flow-")]
FLOW = [name for name in SCHEDULERS if name.startswith("flow-")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name in ("sd", "flux"):
        saved(name, root / name)
    return root


def paint(folder, **options):
    painter = Painter.load(
        DiffusionOptions(name=str(folder), **{"steps": 4, "width": 32, "height": 32} | options)
    )
    jobs = [PictureJob("a mug", seed=1), PictureJob("a lamp", seed=2)]
    return [picture.pixels for picture in painter.paint(jobs)], painter


@pytest.mark.parametrize(
    ("family", "name"), [*[("sd", n) for n in NOISE], *[("flux", n) for n in FLOW]]
)
def test_every_scheduler_paints_each_picture_as_alone(family, name, folders):
    (first, second), painter = paint(folders / family, scheduler=name)
    alone = painter.paint([PictureJob("a lamp", seed=2)])[0].pixels
    assert np.abs(alone.astype(int) - second).max() <= 1
    assert np.any(first != second)


@pytest.mark.parametrize(("family", "name"), [("sd", "flow-euler"), ("flux", "lcm")])
def test_a_scheduler_of_the_other_kind_is_refused(family, name, folders):
    with pytest.raises(ConfigError, match="does not fit a model of"):
        paint(folders / family, scheduler=name)


@pytest.mark.parametrize("cache", [name for name in CACHES if name != "none"])
def test_every_cache_leaves_pictures_as_they_are_alone(cache, folders):
    (_, second), painter = paint(folders / "flux", cache=cache, cache_threshold=0.2)
    alone = painter.paint([PictureJob("a lamp", seed=2)])[0].pixels
    assert np.abs(alone.astype(int) - second).max() <= 1


def test_a_unet_has_no_cache(folders):
    with pytest.raises(ConfigError, match="has no such cache"):
        paint(folders / "sd", cache="first-block")


def test_a_tiny_vae_decodes_and_one_of_other_channels_is_refused(folders, tmp_path):
    for channels in (4, 16):
        diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1),
            latent_channels=channels,
        ).save_pretrained(tmp_path / str(channels))
    (tiny, _), _ = paint(folders / "sd", tiny_vae=str(tmp_path / "4"))
    (whole, _), _ = paint(folders / "sd")
    assert tiny.shape == whole.shape
    assert np.any(tiny != whole)
    with pytest.raises(ConfigError, match="16 latent channels"):
        paint(folders / "sd", tiny_vae=str(tmp_path / "16"))


def test_less_memory_paints_the_same(folders):
    (plain, _), _ = paint(folders / "sd")
    (sliced, _), _ = paint(folders / "sd", slice_attention=True, tile_vae=True, offload="model")
    assert np.abs(plain.astype(int) - sliced).max() <= 1


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "no-such-owner/no-such-model"])
def test_a_model_that_is_not_there_is_told(name, monkeypatch):
    # Read once, when the packages are imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=f"'{re.escape(name)}' could not be loaded"):
        Painter.load(DiffusionOptions(name=name))


def test_broken_folders_are_told(tmp_path):
    folder = saved("sd", tmp_path / "sd")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="could not be loaded"):
        paint(folder)
    weights.unlink()
    with pytest.raises(ConfigError, match="could not be loaded"):
        paint(folder)
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": "WanPipeline"}))
    with pytest.raises(ConfigError, match="is a WanPipeline"):
        paint(folder)


def test_adapters_that_cannot_be_read_are_told(folders, tmp_path):
    (tmp_path / "lora.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="The adapter 'bakers'"):
        paint(folders / "sd", adapters={"bakers": str(tmp_path / "lora.safetensors")})
    with pytest.raises(ConfigError, match="The image adapter"):
        paint(folders / "sd", image_adapter=str(tmp_path))
    with pytest.raises(ConfigError, match="image prompts of FLUX"):
        paint(folders / "flux", image_adapter=str(tmp_path))


def test_an_adapter_of_another_model_is_told(folders, tmp_path):
    file = save_lora(tmp_path, "sd", {"unet": ["to_q", "to_v"]}, seed=1)
    wide = {
        name: np.tile(one, (2, 1) if "lora_B" in name or ".up." in name else (1, 2))
        for name, one in load_file(file).items()
    }
    save_file(wide, file)
    with pytest.raises(ConfigError, match=r"'bakers' .*, so it was made for another model\. Name"):
        paint(folders / "sd", adapters={"bakers": str(file)})


def classifier(folder, labels):
    import transformers

    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def test_unsafe_pictures_are_flagged_and_kept(folders, tmp_path):
    checked = {"safety": str(classifier(tmp_path / "c", ["normal", "nsfw"]))}
    job = [PictureJob("a mug", seed=1)]
    pixels = paint(folders / "sd")[1].paint(job)[0].pixels
    (all_flagged,) = paint(folders / "sd", **checked, safety_threshold=0.0)[1].paint(job)
    (none_flagged,) = paint(folders / "sd", **checked, safety_threshold=1.0)[1].paint(job)
    assert all_flagged.flags == ("unsafe",)
    assert none_flagged.flags == ()
    np.testing.assert_array_equal(all_flagged.pixels, pixels)


def test_a_classifier_that_knows_nothing_unsafe_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cat, dog"):
        ImageClassifier(str(classifier(tmp_path / "c", ["cat", "dog"])))


def test_without_a_name_nothing_is_checked_and_a_missing_package_names_its_extra(monkeypatch):
    import importlib.util

    assert safety_check("") is None
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "nsfw" in name else find(name)
    )
    with pytest.raises(MissingExtra, match=r"genrec\[safety\]"):
        safety_check("open-nsfw")


def test_every_family_is_named_by_a_test_model():
    from genrec.diffusion.families import _FAMILIES

    assert {type(build()).__name__ for build in FAMILIES.values()} == set(_FAMILIES)
