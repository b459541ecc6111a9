from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra 'diffusion'")

from genrec.creatives.artist import NOBODY, Artist, Liking, Wish, paint_size, prompt_hash
from genrec.creatives.picture_options import PictureOptions
from genrec.errors import ConfigError
from genrec.profiles.profile import Trait, UserProfile

RED = UserProfile("", (Trait("like", "colour", "red", 2.0),))
BLUE = UserProfile("", (Trait("like", "colour", "blue", 2.0),))


@pytest.fixture(scope="module")
def artist(tmp_path_factory):
    from genrec.diffusion.prefix import FOLDER, PrefixConfig, ProfilePrefix
    from tests.diffusion.small_models import WIDTH, saved

    folder = tmp_path_factory.mktemp("model") / "sd"
    saved("sd", folder)
    ProfilePrefix(PrefixConfig(dims=4, tokens=2, hidden=WIDTH)).save(folder / FOLDER)
    return Artist(PictureOptions(steps=2, side=32), str(folder))


def wish(profile=None, taste=None, seed=3, size=(400, 400)):
    liking = NOBODY if taste is None else Liking.of(np.array(taste, np.float32))
    return Wish(profile, liking, size, seed)


def test_each_of_many_backgrounds_is_what_it_is_alone(artist):
    wishes = [
        wish(RED),
        wish(BLUE),
        wish(None, [1, 0, 0, 0]),
        wish(RED, [0, 1, 0, 0], size=(800, 400)),
    ]
    together = artist.paint(wishes)
    for one, asked in zip(together, wishes, strict=True):
        (alone,) = artist.paint([asked])
        assert np.abs(one.pixels.astype(int) - alone.pixels).max() <= 1
    assert [one.pixels.shape for one in together][2:] == [(32, 32, 3), (24, 48, 3)]


def test_who_it_is_for_changes_the_prompt_and_nobody_is_told_nothing(artist):
    nobody, red, blue = (artist.job(wish(profile)) for profile in (None, RED, BLUE))
    assert nobody.personal_prompt == ""
    assert "red" in red.personal_prompt
    assert "red" not in nobody.prompt + blue.personal_prompt
    assert len({prompt_hash(job) for job in (nobody, red, blue)}) == 3
    assert "red" not in prompt_hash(red)


def test_another_attempt_has_another_seed_and_the_same_one_every_time(artist):
    seeds = [artist.job(wish(), attempt=n).seed for n in (0, 1, 1, 2)]
    assert seeds[0] == 3
    assert seeds[1] == seeds[2]
    assert len(set(seeds)) == 3


def test_an_artist_is_known_by_what_decides_its_pictures(artist):
    assert set(artist.identity) >= {"painter", "side"}
    assert artist.model == "sd"
    assert artist.reads_taste


def test_likings_are_equal_where_a_painter_is_told_the_same():
    taste = np.arange(4, dtype=np.float32)
    one, same = Liking.of(taste), Liking.of(taste.copy(), history=[np.zeros((8, 8, 3), np.uint8)])
    assert one.key == same.key
    assert Liking.of(taste + 1).key != one.key
    assert Liking.of(taste, adapter="s1").key != one.key
    assert Liking.of(None).key == NOBODY.key == ""


@pytest.mark.parametrize(
    ("side", "size", "expected"),
    [(64, (500, 500), (64, 64)), (64, (400, 100), (128, 32)), (1024, (1080, 1920), (768, 1344))],
)
def test_backgrounds_have_about_the_models_pixels_in_the_wanted_shape(side, size, expected):
    assert paint_size(side, size) == expected


def test_attempts_do_not_repeat_what_was_chosen_among(artist, tmp_path):
    from genrec.diffusion.picture import seed_again
    from genrec.diffusion.verifier import Verifier

    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    Verifier.fit(list(noise), {"colour": ["red", "blue"] * 3}).save(tmp_path)
    options = PictureOptions(steps=1, side=32, best_of=2, verifier=str(tmp_path))
    choosing = Artist(options, artist.painter.options.name)
    first, second = (choosing.job(wish(RED), attempt=attempt).seed for attempt in (0, 1))
    tried = {seed_again(first, 0), seed_again(first, 1)}
    assert second not in tried
    (picture,) = choosing.paint([wish(RED)])
    assert picture.seed in tried
    assert choosing.identity["painter"] != artist.identity["painter"]


def test_every_option_of_a_painter_is_one_of_a_campaign():
    from genrec.diffusion.options import DiffusionOptions

    # A campaign names the model, asks for shapes by layouts, and is told apart by shoppers.
    others = {"name", "revision", "variant", "width", "height", "device", "prefix"}
    others |= {"encoded_prompts"}
    painters = {one.name for one in fields(DiffusionOptions)} - others
    assert painters <= {one.name for one in fields(PictureOptions)}
    given = {
        one.name: one.default
        for one in fields(DiffusionOptions)
        if one.name in painters - {"adapters", "steps"}
    }
    assert {name: getattr(PictureOptions(), name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dtype": "bf16"}, "dtype is 'bf16'"),
        ({"compile": "max"}, "compile is 'max'"),
        ({"cache": "taylor"}, "did you mean 'taylorseer'"),
        ({"offload": "modell"}, "did you mean 'model'"),
        ({"cache_threshold": 2}, "cache_threshold is 2; it lies from 0 to 1"),
        ({"safety_threshold": -1}, "safety_threshold is -1"),
        ({"safety": "open-nsfw", "model": "none"}, "model is none"),
        ({"allow_unsafe": True}, "name one in safety"),
        ({"image_encoder": "x"}, "image_encoder is a part of an image_adapter"),
        ({"image_adapter_file": "x.safetensors"}, "image_adapter_file is a part"),
        ({"image_adapter": "x", "image_adapter_file": "a/"}, "name a file"),
        ({"image_adapter": "x", "slice_attention": True}, "choose one"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_a_model_is_loaded(given, told):
    with pytest.raises(ConfigError, match=told):
        PictureOptions(**given)


def test_what_makes_a_painter_fast_reaches_it_and_stands_in_its_name(artist, tmp_path):
    import diffusers

    diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    ).save_pretrained(tmp_path / "taesd")
    asked = {
        "tiny_vae": str(tmp_path / "taesd"),
        "dtype": "float32",
        "slice_attention": True,
        "offload": "model",
        "cache_threshold": 0.2,
        "safety_threshold": 0.25,
    }
    fast = Artist(PictureOptions(steps=1, side=32, **asked), artist.painter.options.name)
    assert {name: getattr(fast.painter.options, name) for name in asked} == asked
    assert isinstance(fast.painter.pipe.vae, diffusers.AutoencoderTiny)
    (picture,) = fast.paint([wish()])
    assert picture.pixels.any()
    plain = Artist(PictureOptions(steps=1, side=32), artist.painter.options.name)
    assert fast.identity["painter"] != plain.identity["painter"]
    with pytest.raises(ConfigError, match="has no such cache"):
        Artist(PictureOptions(cache="first-block"), artist.painter.options.name)


def test_an_image_adapter_has_its_own_file_and_encoder(artist, tmp_path):
    from tests.diffusion.small_models import save_image_adapter

    save_image_adapter(tmp_path / "ip", artist.painter.pipe.unet)
    (tmp_path / "ip" / "models").mkdir()
    (tmp_path / "ip" / "ip_adapter.safetensors").rename(
        tmp_path / "ip" / "models" / "plus.safetensors"
    )
    (tmp_path / "ip" / "image_encoder").rename(tmp_path / "vision")
    named = {
        "image_adapter": str(tmp_path / "ip"),
        "image_adapter_file": "models/plus.safetensors",
        "image_encoder": str(tmp_path / "vision"),
        "liked": 1,
    }
    painting = Artist(PictureOptions(steps=1, side=32, **named), artist.painter.options.name)
    seen = [
        painting.paint([Wish(None, Liking.of(None, [pixels]), (400, 400), 3)])[0].pixels
        for pixels in (np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8))
    ]
    assert np.any(seen[0] != seen[1])
    before = painting.identity["painter"]
    config = tmp_path / "vision" / "config.json"
    config.write_text(config.read_text() + " ")
    again = Artist(PictureOptions(steps=1, side=32, **named), artist.painter.options.name)
    assert again.identity["painter"] != before
    with pytest.raises(ConfigError, match="The image adapter"):
        Artist(PictureOptions(image_adapter=str(tmp_path / "ip")), artist.painter.options.name)
