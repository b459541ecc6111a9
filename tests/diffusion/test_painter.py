from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch

from genrec.diffusion import DiffusionOptions, PictureJob
from genrec.diffusion.painter import Painter
from genrec.diffusion.picture import seed_again
from genrec.diffusion.prefix import PrefixConfig, ProfilePrefix
from genrec.diffusion.verifier import Verifier
from genrec.errors import ConfigError, InputError
from tests.diffusion.small_models import FAMILIES, save_image_adapter, save_lora, saved

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
PROMPTS = ["a red mug", "a big blue plate", "a green lamp", "one spoon"]


def noise(seed, side=32):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Models, two LoRA, an IP-Adapter and a prefix for SD."""
    root = tmp_path_factory.mktemp("models")
    for name in FAMILIES:
        saved(name, root / name)
    with_text = {"unet": [*ATTENTION, "conv1"], "text_encoder": ["q_proj", "v_proj"]}
    save_lora(root / "bakers", "sd", with_text, seed=1)
    save_lora(root / "hikers", "sd", {"unet": ATTENTION}, seed=2, rank=2)
    save_image_adapter(root / "images", FAMILIES["sd"]().unet)
    torch.manual_seed(3)
    ProfilePrefix(PrefixConfig(dims=6, tokens=2, hidden=32)).save(root / "prefix")
    return root


@pytest.fixture(scope="module")
def painter(folders):
    return Painter.load(everything(folders))


def everything(folders, **more):
    return DiffusionOptions(
        name=str(folders / "sd"),
        steps=3,
        guidance=3.0,
        prefix=str(folders / "prefix"),
        image_adapter=str(folders / "images"),
        adapters={name: str(folders / name) for name in ("bakers", "hikers")},
        **more,
    )


def mixed_jobs(count=8):
    """Every condition, each in another mixture in each job."""
    generator = np.random.default_rng(0)
    jobs = []
    for number in range(count):
        jobs.append(
            PictureJob(
                f"{PROMPTS[number % 4]} {number}",
                seed=100 + number,
                negative="" if number % 3 else "dark",
                personal_prompt=f"{PROMPTS[number % 4]} for bakers" if number % 2 else "",
                taste=generator.normal(size=6).astype(np.float32) if number != 3 else None,
                image_prompts=tuple(noise(number + n) for n in range(number % 3)),
                image_scale=0.5 + number / 10,
                adapter=("bakers", "hikers", "")[number % 3],
                adapter_scale=0.5 + number / 8,
                guidance=1.5 + number / 2,
                intensity=1 - number / 10,
            )
        )
    return jobs


def difference(one, other):
    return np.abs(one.pixels.astype(int) - other.pixels.astype(int)).max()


def test_each_picture_of_a_mixed_batch_is_what_it_is_alone(painter):
    jobs = mixed_jobs()
    together = painter.paint(jobs)
    alone = [painter.paint([job])[0] for job in jobs]
    assert [picture.seed for picture in together] == [job.seed for job in jobs]
    assert max(map(difference, together, alone)) <= 1
    # They are pictures of their own, not one picture eight times.
    assert min(difference(together[0], other) for other in together[1:]) > 5


def test_before_rounding_mixed_and_alone_differ_by_less_than_a_ten_thousandth(folders):
    painter = Painter.load(everything(folders))
    latents = []
    decode = painter.pipe.vae.decode
    painter.pipe.vae.decode = lambda z, *rest, **given: (
        latents.append(z.clone()) or decode(z, *rest, **given)
    )
    jobs = sorted(mixed_jobs(), key=lambda job: (len(job.image_prompts), job.adapter))
    painter.paint(jobs)
    (together,) = latents
    latents.clear()
    for job in jobs:
        painter.paint([job])
    gap, spread = float((together - torch.cat(latents)).abs().max()), float(together.std())
    assert spread > 0.1
    assert gap / spread <= 1e-4


def test_the_order_of_jobs_and_the_batch_size_change_nothing(painter, folders):
    jobs = mixed_jobs(5)
    forward = painter.paint(jobs)
    backward = painter.paint(jobs[::-1])[::-1]
    small = Painter.load(everything(folders, batch_size=2)).paint(jobs)
    assert max(map(difference, forward, backward)) <= 1
    assert max(map(difference, forward, small)) <= 1


@pytest.mark.parametrize(
    "condition",
    [
        {"personal_prompt": "a mug for bakers"},
        {"taste": np.arange(1, 7, dtype=np.float32)},
        {"image_prompts": (noise(1), noise(2))},
        {"adapter": "bakers"},
        {"adapter": "hikers"},
    ],
    ids=lambda one: "-".join(one) + str(one.get("adapter", "")),
)
def test_each_condition_changes_the_picture_continuously_and_not_at_all_at_zero(painter, condition):
    plain = PictureJob("a red mug", seed=7)
    intensities = (0.0, 1e-3, 0.5, 1.0)
    none, *others = [
        painter.paint([replace(plain, **condition, intensity=one)])[0] for one in intensities
    ]
    np.testing.assert_array_equal(none.pixels, painter.paint([plain])[0].pixels)
    little, half, whole = [np.abs(one.pixels.astype(int) - none.pixels).mean() for one in others]
    assert little < 0.2
    assert little < half < whole


def test_without_conditions_a_picture_is_that_of_stock_diffusers(folders):
    painter = Painter.load(
        DiffusionOptions(name=str(folders / "sd"), steps=3, guidance=4.0, prefix="none")
    )
    import diffusers

    stock = diffusers.StableDiffusionPipeline.from_pretrained(
        folders / "sd", safety_checker=None, requires_safety_checker=False
    )
    stock.set_progress_bar_config(disable=True)
    wanted = stock(
        "a red mug",
        negative_prompt="dark",
        guidance_scale=4.0,
        num_inference_steps=3,
        generator=torch.Generator("cpu").manual_seed(11),
        output_type="np",
    ).images[0]
    (found,) = painter.paint([PictureJob("a red mug", seed=11, negative="dark")])
    assert np.abs(found.pixels - (wanted * 255).round()).max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_paints_mixed_jobs_as_alone(family, folders):
    painter = Painter.load(
        DiffusionOptions(name=str(folders / family), steps=2, width=32, height=32)
    )
    jobs = [
        PictureJob(PROMPTS[0], seed=1, guidance=3.5),
        PictureJob(PROMPTS[1], seed=2, guidance=2.0, negative="dark"),
        PictureJob(PROMPTS[2], seed=3, guidance=1.0),
    ]
    together = painter.paint(jobs)
    assert [picture.pixels.shape for picture in together] == [(32, 32, 3)] * 3
    for job, picture in zip(jobs, together, strict=True):
        assert picture.flags == ()
        assert difference(picture, painter.paint([job])[0]) <= 1
    assert difference(together[0], painter.paint([replace(jobs[0], seed=9)])[0]) > 0
    assert difference(together[0], painter.paint([replace(jobs[0], guidance=1.5)])[0]) > 0
    assert difference(together[0], painter.paint([replace(jobs[0], prompt="zebra")])[0]) > 0


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "sana"])
def test_every_family_but_sana_starts_from_pictures_and_paints_into_them(family, folders):
    painter = Painter.load(
        DiffusionOptions(name=str(folders / family), steps=3, width=32, height=32)
    )
    start, mask = noise(4), np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    jobs = [
        PictureJob(PROMPTS[0], seed=1, start=start, strength=0.7),
        PictureJob(PROMPTS[1], seed=2, start=noise(5), strength=0.7),
        PictureJob(PROMPTS[1], seed=3, start=start, mask=mask, strength=1.0),
        PictureJob(PROMPTS[2], seed=4, start=noise(6), mask=mask, strength=1.0),
        PictureJob(PROMPTS[2], seed=4, start=start, strength=0.0),
        PictureJob(PROMPTS[2], seed=4),
    ]
    together = painter.paint(jobs)
    for job, picture in zip(jobs, together, strict=True):
        assert difference(picture, painter.paint([job])[0]) <= 1
    outside = mask == 0
    np.testing.assert_array_equal(together[2].pixels[outside], start[outside])
    assert np.any(together[2].pixels[~outside] != start[~outside])
    np.testing.assert_array_equal(together[4].pixels, start)
    assert np.any(together[0].pixels != start)


def test_sana_says_that_it_paints_from_text_only(folders):
    painter = Painter.load(DiffusionOptions(name=str(folders / "sana"), steps=1))
    with pytest.raises(InputError, match="only paints from text"):
        painter.paint([PictureJob("a mug", seed=1, start=noise(1))])


def test_equal_texts_and_pictures_are_encoded_once(folders):
    painter = Painter.load(everything(folders))
    before = painter.encoded
    jobs = [
        PictureJob("a red mug", seed=n, image_prompts=(noise(1),), adapter="hikers")
        for n in range(6)
    ]
    painter.paint(jobs)
    # The prompt, the negative prompt that is left out, and the picture.
    assert painter.encoded - before == 3
    painter.paint(jobs)
    assert painter.encoded - before == 3


def test_a_near_copy_of_the_history_is_flagged_and_not_blacked_out(painter):
    (first,) = painter.paint([PictureJob("a red mug", seed=1)])
    again = PictureJob("a red mug", seed=1, history=(noise(9), first.pixels))
    (flagged,) = painter.paint([again])
    assert flagged.flags == ("copy_of_history",)
    assert "history 1" in flagged.note
    np.testing.assert_array_equal(flagged.pixels, first.pixels)


def test_all_faults_of_all_jobs_are_told_at_once(painter):
    jobs = [
        PictureJob("a mug", seed=1),
        PictureJob(" ", seed=-1, adapter="baker", width=33),
        PictureJob("a mug", seed=1, taste=np.ones(4, np.float32), intensity=2.0),
        PictureJob("a mug", seed=1, taste=np.full(6, np.nan, np.float32)),
        PictureJob("a mug", seed=1, image_prompts=(np.zeros((4, 4), np.uint8),)),
        PictureJob("a mug", seed=1, mask=np.zeros((8, 8), np.uint8)),
        PictureJob("a mug", seed=1, start=noise(1), width=64, image_scale=float("nan")),
        PictureJob("a mug", seed=1, start=np.zeros((32, 32, 3), np.float32)),
    ]
    with pytest.raises(InputError) as error:
        painter.paint(jobs)
    text = "\n".join(error.value.problems)
    for part in (
        "job 1: prompt is empty",
        "job 1: seed is -1",
        "job 1: there is no adapter 'baker'; did you mean 'bakers'?",
        "job 1: width is 33; sizes are multiples of 2",
        "job 2: taste has the shape (4,)",
        "job 2: intensity is 2.0",
        "job 3: taste has values that are not finite",
        "job 4: image_prompts[0] has the shape (4, 4)",
        "job 5: there is a mask and no picture under it",
        "job 6: width is 64 and that of start 32",
        "job 6: image_scale is nan",
        "job 7: start is float32",
    ):
        assert part in text
    assert "job 0" not in text


def test_conditions_that_a_model_lacks_are_told(folders):
    painter = Painter.load(DiffusionOptions(name=str(folders / "sd"), steps=1))
    with pytest.raises(InputError) as error:
        painter.paint(
            [PictureJob("a", seed=1, taste=np.ones(6, np.float32), image_prompts=(noise(1),))]
        )
    assert len(error.value.problems) == 2


def test_a_prefix_of_another_width_is_refused(folders, tmp_path):
    ProfilePrefix(PrefixConfig(dims=6, tokens=2, hidden=48)).save(tmp_path)
    with pytest.raises(ConfigError, match="width 48.*width 32"):
        Painter.load(DiffusionOptions(name=str(folders / "sd"), prefix=str(tmp_path)))


def test_a_picture_that_is_no_number_is_flagged(folders):
    painter = Painter.load(DiffusionOptions(name=str(folders / "sd"), steps=1))
    with torch.no_grad():
        painter.pipe.unet.conv_out.bias.fill_(float("nan"))
    (picture,) = painter.paint([PictureJob("a mug", seed=1)])
    assert picture.flags == ("not_finite",)


def test_progress_counts_pictures(painter):
    seen = []
    painter.paint(mixed_jobs(3), progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (3, 3)


def test_the_version_follows_what_decides_a_picture(folders):
    def version(**more):
        return Painter.load(DiffusionOptions(name=str(folders / "sd"), **more)).version

    own = version()
    assert own == version(batch_size=3)
    others = {version(steps=7), version(scheduler="lcm"), version(dtype="bfloat16")}
    others.add(version(adapters={"bakers": str(folders / "bakers")}))
    assert own not in others
    assert len(others) == 4


class Reading:
    """Scores by the picture's own brightness, from 0 to 1."""

    def __init__(self):
        self.read = 0

    def scores(self, pixels, job):
        self.read += 1
        return np.array([pixels.mean() / 255])


def of_several(folders, tmp_path, best_of):
    """A painter that chooses the brightest of several pictures."""
    pictures = [noise(seed) for seed in range(8)]
    Verifier.fit(pictures, {"look": ["a", "b"] * 4}).save(tmp_path)
    painter = Painter.load(everything(folders, best_of=best_of, verifier=str(tmp_path)))
    painter.verifier = Reading()
    return painter


def test_the_best_of_several_pictures_is_kept_and_says_its_seed(folders, painter, tmp_path):
    jobs = [PictureJob("a red mug", seed=5), PictureJob("one spoon", seed=6)]
    choosing = of_several(folders, tmp_path, 4)
    with mock.patch("genrec.diffusion.painter.SURE", 1.1):
        kept = choosing.paint(jobs)
    for job, picture in zip(jobs, kept, strict=True):
        tried = [replace(job, seed=seed_again(job.seed, attempt)) for attempt in range(4)]
        alone = painter.paint(tried)
        best = max(alone, key=lambda one: one.pixels.mean())
        assert picture.seed == best.seed
        assert (picture.pixels == best.pixels).all()
    assert choosing.verifier.read == 8


def test_what_is_surely_right_is_painted_once(folders, painter, tmp_path):
    choosing = of_several(folders, tmp_path, 4)
    jobs = [PictureJob("a red mug", seed=5), PictureJob("one spoon", seed=6)]
    with mock.patch("genrec.diffusion.painter.SURE", 0.0):
        kept = choosing.paint(jobs)
    assert choosing.verifier.read == 2
    assert [one.seed for one in kept] == [5, 6]
    assert all((a.pixels == b.pixels).all() for a, b in zip(kept, painter.paint(jobs), strict=True))


def test_a_flagged_picture_is_the_last_choice(folders, painter, tmp_path):
    choosing = of_several(folders, tmp_path, 2)
    first, second = painter.paint(
        [PictureJob("a red mug", seed=seed_again(5, attempt)) for attempt in (0, 1)]
    )
    copied = PictureJob("a red mug", seed=5, history=(first.pixels,))
    with mock.patch("genrec.diffusion.painter.SURE", 0.0):
        (kept,) = choosing.paint([copied])
    assert kept.seed == second.seed


def test_several_pictures_need_something_to_choose_by(folders):
    with pytest.raises(ConfigError, match="best_of is 3, and there is no verifier"):
        Painter.load(everything(folders, best_of=3))
