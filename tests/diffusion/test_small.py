import numpy as np
import torch

from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.painter import Painter
from genrec.diffusion.picture import PictureJob
from genrec.diffusion.small import small_tokenizer, small_vae, to_latents, tokens_of
from tests.small_diffusion import TINY, WORDS, pictures, tiny_folder


def test_equal_texts_give_an_equal_tokenizer_in_any_order():
    one, other = small_tokenizer(WORDS, 600), small_tokenizer(WORDS[::-1], 600)
    assert one.get_vocab() == other.get_vocab()
    assert one("a red scene").input_ids == other("a red scene").input_ids


def test_a_known_word_is_one_token_and_an_unknown_one_is_spelled():
    tokenizer = small_tokenizer(WORDS, 600)
    assert tokenizer.tokenize("red") == ["red</w>"]
    assert len(tokenizer.tokenize("Ünique zebra")) > 2


def test_tokens_have_one_length_whatever_the_text():
    tokenizer = small_tokenizer(WORDS, 600)
    assert tokens_of(tokenizer, ["", "a red mug " * 50]).shape == (2, tokenizer.model_max_length)


def test_the_encoder_is_linear_and_its_latents_are_centred():
    pixels = pictures(8)
    vae = small_vae(TINY, [pixels], seed=0)
    latents = to_latents(vae, pixels)
    assert latents.shape == (8, TINY.latent_channels, 8, 8)
    assert latents.mean((0, 2, 3)).abs().max() < 1e-3
    mixed = (pixels[:1] // 2 + pixels[1:2] // 2).astype(np.uint8)
    halves = (to_latents(vae, pixels[:1] // 2 * 2) + to_latents(vae, pixels[1:2] // 2 * 2)) / 2
    assert torch.allclose(to_latents(vae, mixed), halves, atol=1e-4)


def test_the_encoders_channels_are_uncorrelated_as_principal_components_are():
    pixels = pictures(40)
    latents = to_latents(small_vae(TINY, [pixels], seed=0), pixels)
    flat = latents.transpose(0, 1).flatten(1)
    correlation = torch.corrcoef(flat) - torch.eye(len(flat))
    assert correlation.abs().max() < 1e-2


def test_the_stock_pipeline_and_the_painter_load_the_folder(tmp_path):
    from diffusers import StableDiffusionPipeline

    folder = tiny_folder(tmp_path / "model")
    stock = StableDiffusionPipeline.from_pretrained(folder)
    picture = stock("a red mug", num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (32, 32, 3) and np.isfinite(picture).all()
    painter = Painter.load(DiffusionOptions(name=str(folder), steps=2, guidance=2.0))
    taste = np.ones(5, np.float32)
    plain, personal = painter.paint(
        [PictureJob("a red mug", seed=1), PictureJob("a red mug", seed=1, taste=taste)]
    )
    assert plain.pixels.shape == (32, 32, 3)
    assert not np.array_equal(plain.pixels, personal.pixels)


def test_no_file_of_the_folder_is_a_pickle(tmp_path):
    folder = tiny_folder(tmp_path / "model")
    names = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert names <= {".json", ".safetensors", ".txt"} and ".safetensors" in names
