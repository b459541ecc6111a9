import numpy as np
import torch
from transformers import AutoModel, ViTMAEModel

from genrec.data.picture_array import decode_pictures
from genrec.encoders.image import ImageEncoder
from genrec.encoders.towers import SHAPES, mae_towers
from genrec.training.masked_patches import (
    PictureRows,
    patch_loss,
    rebuilt_error,
    train_masked_patches,
)
from genrec.training.options import FitConfig
from genrec.training.pretrain_options import MaskedPatchesConfig
from tests.small_photos import photo_shop

CONFIG = MaskedPatchesConfig(tower="tiny", side=16, patch=4, mask_share=0.5, augment=0.0)


def test_hidden_patches_are_rebuilt_and_the_encoder_opens_alone(tmp_path):
    shop = photo_shop(tmp_path / "shop", 64)
    pixels = decode_pictures(shop, range(64), side=16, progress=lambda *_: None).pixels
    fit_config = FitConfig(steps=60, batch_size=16, learning_rate=2e-3, warmup_steps=5)
    trained = train_masked_patches(
        pixels[:48], config=CONFIG, fit_config=fit_config, folder=tmp_path / "fit"
    )
    assert rebuilt_error(trained.model, pixels[48:]) < 0.95
    trained.write(tmp_path / "tower")
    assert isinstance(AutoModel.from_pretrained(tmp_path / "tower"), ViTMAEModel)
    vectors = ImageEncoder(str(tmp_path / "tower"), cache=tmp_path / "cache").encode(shop)
    assert vectors.vectors.shape == (64, 64) and vectors.mask.all()


def test_the_loss_counts_hidden_patches_only_and_in_units_of_their_spread():
    model = mae_towers(SHAPES["tiny"], side=8, patch=4, mask_share=0.5, seed=0)
    with torch.no_grad():
        model.decoder.decoder_pred.weight.zero_()
        model.decoder.decoder_pred.bias.zero_()
    pixels = torch.randn(2, 3, 8, 8)
    noise = torch.tensor([[0.0, 0.1, 0.8, 0.9]] * 2)
    found = patch_loss(model, {"pixels": pixels, "noise": noise}).item()
    # A guess of 0 misses a patch of mean 0 and variance 1 (of n - 1 numbers) by (n - 1) / n.
    assert abs(found - 47 / 48) < 1e-3
    assert rebuilt_error(model, np.zeros((3, 3, 8, 8), np.uint8)) < 1e-3


def test_rows_of_an_epoch_are_the_same_whenever_they_are_drawn():
    pixels = np.random.default_rng(0).integers(255, size=(4, 3, 8, 8)).astype(np.uint8)
    rows = PictureRows(pixels, patches=4, strength=1.0, seed=0)
    first = rows.collate([rows[0], rows[3]])
    assert torch.equal(first["pixels"], rows.collate([rows[0], rows[3]])["pixels"])
    rows.set_epoch(1)
    assert not torch.equal(first["noise"], rows.collate([rows[0], rows[3]])["noise"])
