import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from genrec.diffusion.small import small_scheduler
from genrec.errors import ConfigError
from genrec.training.buckets import BucketBatches
from genrec.training.diffusion import DiffusionModel, diffusion_loss, train_diffusion
from genrec.training.diffusion_options import ProductDiffusionConfig
from genrec.training.diffusion_rows import (
    Described,
    DiffusionRows,
    Tastes,
    alike_items,
    other_choices,
)
from genrec.training.diffusion_vae import train_vae
from genrec.training.options import FitConfig
from tests.small_diffusion import TINY, pictures, tiny_parts

THINGS = [
    Described("mug", ("red", "dots"), "Alba mug"),
    Described("mug", ("blue", "dots"), "Birk mug"),
    Described("lamp", ("red", "dots"), "Alba lamp"),
    Described("lamp", ("blue", "plain"), "Cove lamp"),
]
OPTIONS = ProductDiffusionConfig(shape="tiny", resolution=32, vocabulary=600)


class Killed(Exception):
    pass


def killer(at):
    def progress(step, steps, loss):
        if step == at:
            raise Killed

    return progress


def tastes():
    vectors = np.eye(4, 5, dtype=np.float32)
    alike = alike_items(THINGS, THINGS, range(4))
    return Tastes(vectors, other_choices([np.array([0, 1, 3])], range(4)), alike)


def train(folder, *, progress=None, steps=6):
    parts = tiny_parts()
    return train_diffusion(
        parts.vae,
        [pictures(4)],
        THINGS,
        tastes(),
        options=OPTIONS,
        fit_config=FitConfig(steps=steps, batch_size=2, checkpoint_every=2, log_every=1),
        folder=folder,
        progress=progress,
    )


def test_a_caption_names_what_it_is_told_to():
    assert THINGS[0].caption() == "mug"
    assert THINGS[0].caption([True, True]) == "red mug, dots"
    assert THINGS[0].caption([False, True]) == "mug, dots"


def test_alike_are_those_with_all_details_in_common_but_oneself():
    found = [part.tolist() for part in alike_items(THINGS, THINGS, range(4))]
    assert found == [[2], [1], [0], [3]]


def test_a_taste_is_never_made_of_the_thing_that_it_is_to_draw_where_others_are_known():
    generator = np.random.default_rng(0)
    drawn = [tastes().draw(0, generator, choice_share=0.5, most=4) for _ in range(50)]
    assert all(taste[0] == 0 and taste.any() for taste in drawn)


def test_the_mean_error_of_all_rows_is_the_loss():
    parts = tiny_parts()
    model = DiffusionModel(parts, small_scheduler("v_prediction"), average=0.0, snr_gamma=0.0)
    generator = torch.Generator().manual_seed(0)
    batch = {
        "latents": torch.randn(3, 4, 8, 8, generator=generator),
        "noise": torch.randn(3, 4, 8, 8, generator=generator),
        "timesteps": torch.tensor([10, 500, 999]),
        "tokens": torch.zeros(3, 32, dtype=torch.long),
        "tastes": torch.ones(3, 5),
        "intensity": torch.ones(3),
    }
    alone = [
        diffusion_loss(model, {name: value[row : row + 1] for name, value in batch.items()})
        for row in range(3)
    ]
    assert diffusion_loss(model, batch).item() == pytest.approx(
        torch.stack(alone).mean().item(), rel=1e-4
    )


def test_min_snr_still_learns_from_pure_noise():
    model = DiffusionModel(tiny_parts(), small_scheduler("v_prediction"), average=0, snr_gamma=5)
    batch = {
        "latents": torch.randn(2, 4, 8, 8),
        "noise": torch.randn(2, 4, 8, 8),
        "timesteps": torch.tensor([999, 999]),
        "tokens": torch.zeros(2, 32, dtype=torch.long),
        "tastes": torch.ones(2, 5),
        "intensity": torch.zeros(2),
    }
    assert diffusion_loss(model, batch).item() > 0


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0.38, 0.42), (1.0, 0.15, 0.2)])
def test_more_noise_levels_are_drawn_from_the_middle_where_asked(share, low, high):
    # Four in ten of all levels lie below a fifth or above four fifths, of the middle one in six.
    rows = DiffusionRows(
        [torch.zeros(4, 4, 8, 8)],
        THINGS,
        tastes(),
        tiny_parts().tokenizer,
        replace(OPTIONS, middle_share=share),
        BucketBatches(np.zeros(4, int), 4, seed=0),
        1000,
    )
    levels = rows.levels(np.random.default_rng(0), 20_000) / 1000
    assert low < np.mean((levels < 0.2) | (levels > 0.8)) < high
    assert levels.min() >= 0 and levels.max() < 1


@pytest.mark.parametrize(("detail_share", "strays"), [(1.0, True), (0.0, False)])
def test_tastes_of_others_stand_beside_captions_that_name_every_detail(detail_share, strays):
    options = replace(
        OPTIONS, stray_taste=1.0, detail_share=detail_share, title_share=0.0, drop_taste=0.0
    )
    rows = DiffusionRows(
        [torch.zeros(4, 4, 8, 8)],
        THINGS,
        # Each thing's taste is its own vector, so that it shows whose was taken.
        Tastes(np.eye(4, 5, dtype=np.float32), {}, [np.array([thing]) for thing in range(4)]),
        tiny_parts().tokenizer,
        options,
        BucketBatches(np.zeros(4, int), 4, seed=0),
        1000,
    )
    others = 0
    for epoch in range(20):
        rows.set_epoch(epoch)
        own = rows.batches.rows_of(rows[0])[0]
        others += int((rows.collate([rows[0]])["tastes"].argmax(1).numpy() != own).sum())
    # Of 80 tastes drawn from four things, a quarter are the own ones by chance.
    assert (others > 40) if strays else (others == 0)


def test_a_killed_training_goes_on_as_the_whole_one_would_have(tmp_path):
    whole = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "killed", progress=killer(5))
    resumed = train(tmp_path / "killed")
    ours, theirs = whole.parts.unet.state_dict(), resumed.parts.unet.state_dict()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)
    assert resumed.fitted.losses == pytest.approx(whole.fitted.losses, abs=1e-5)


def test_the_folder_says_how_it_was_made(tmp_path):
    train(tmp_path / "run", steps=2).write(tmp_path / "model", recipe="mine")
    note = json.loads((tmp_path / "model" / "made_by.json").read_text())
    assert note["recipe"] == "mine" and note["prefix"]["dims"] == 5


def test_the_decoder_comes_nearer_to_the_pictures(tmp_path):
    flat = np.broadcast_to(np.array([40, 120, 200], np.uint8)[:, None, None], (3, 32, 32))
    pixels = np.stack([flat, 255 - flat, flat // 2, flat]).astype(np.uint8)
    _, fitted = train_vae(
        [pixels],
        TINY,
        config=FitConfig(steps=40, batch_size=4, learning_rate=1e-2, log_every=10),
        folder=tmp_path,
    )
    assert fitted.losses[-1] < fitted.losses[0]


def test_options_that_do_not_fit_are_all_named():
    with pytest.raises(ConfigError) as caught:
        ProductDiffusionConfig(shape="huge", resolution=50, drop_text=0.9, drop_both=0.2)
    said = str(caught.value)
    assert "huge" in said and "50" in said and "dropped" in said
