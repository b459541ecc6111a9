import numpy as np
import pytest

from genrec.creatives.product import cut_out
from genrec.creatives.product.matting import MattingModel
from genrec.errors import ConfigError

pytest.importorskip("transformers")
# Image processors of transformers need it.
pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny SegFormer with random weights, saved as its hub folder would be."""
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessor,
    )

    place = tmp_path_factory.mktemp("segformer")
    config = SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 16],
        patch_sizes=[3, 3],
        strides=[2, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=16,
        num_labels=2,
    )
    SegformerForSemanticSegmentation(config).save_pretrained(place)
    SegformerImageProcessor(size={"height": 32, "width": 32}).save_pretrained(place)
    return place


def test_a_model_by_its_folder_gives_a_map_of_the_photos_size(folder):
    model = MattingModel.load(str(folder))
    cover = model(np.zeros((48, 70, 3), np.uint8))
    assert (cover.shape, cover.dtype) == ((48, 70), np.uint8)


def test_a_model_that_does_not_know_is_not_believed(folder):
    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    cut = cut_out(noise, matting=MattingModel.load(str(folder)))
    assert cut.framed
    assert any("was not used" in one for one in cut.warnings)


def test_a_name_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no matting model"):
        MattingModel.load(str(tmp_path))
