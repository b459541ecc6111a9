import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor

from genrec.encoders.towers import (
    MAX_TOKENS,
    SHAPES,
    clip_towers,
    learned_tokenizer,
    mae_towers,
    picture_processor,
    save_clip,
)
from tests.small_photos import photo

TEXTS = ["red mug", "blue mug", "red lamp", "blue lamp"] * 3


def test_a_tokenizer_of_equal_texts_is_equal_and_knows_their_words():
    one, other = learned_tokenizer(TEXTS, 300), learned_tokenizer(TEXTS, 300)
    assert one.get_vocab() == other.get_vocab() and len(one) <= 300
    assert one.convert_ids_to_tokens(one("Red mug")["input_ids"]) == [
        "[CLS]",
        "Ġred",
        "Ġmug",
        "[SEP]",
    ]


def test_any_language_comes_back_from_its_tokens():
    tokenizer = learned_tokenizer(TEXTS, 300)
    text = "чашка 茶杯 🫖"
    decoded = tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)
    assert decoded.split() == "чашка 茶 杯 🫖".split()


def test_the_processor_squeezes_and_scales(tmp_path):
    picture_processor(16).save_pretrained(tmp_path)
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    pixels = processor(images=photo("white", "tile", 0), return_tensors="np")["pixel_values"]
    assert pixels.shape == (1, 3, 16, 16) and pixels.min() >= -1 and pixels.max() <= 1
    assert pixels[0, :, 8, 8].min() > 0.8


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_preset_gives_vectors_of_its_length_and_equal_seeds_equal_weights(name, tmp_path):
    tokenizer = learned_tokenizer(TEXTS, 300)
    models = [clip_towers(SHAPES[name], tokenizer, side=16, patch=8, seed=s) for s in (0, 0, 1)]
    first, same, other = (m.vision_model.embeddings.patch_embedding.weight for m in models)
    assert torch.equal(first, same) and not torch.equal(first, other)
    save_clip(models[0], tokenizer, 16, tmp_path)
    long = tokenizer(" ".join(["mug"] * 99), truncation=True, return_tensors="pt")
    assert long["input_ids"].shape[1] == MAX_TOKENS
    vectors = models[0].get_text_features(**{k: long[k] for k in ("input_ids", "attention_mask")})
    assert vectors.pooler_output.shape == (1, SHAPES[name].dimensions)


def test_at_the_start_patches_attend_to_those_around_them():
    tokenizer = learned_tokenizer(TEXTS, 300)
    model = clip_towers(SHAPES["small"], tokenizer, side=64, patch=8, seed=0).vision_model
    model.set_attn_implementation("eager")
    with torch.no_grad():
        found = model(pixel_values=torch.zeros(1, 3, 64, 64), output_attentions=True)
    looks = found.attentions[0][0].mean(0)[1:, 1:].reshape(8, 8, 8, 8)
    near = np.mean([looks[r, c, r, c + 1].item() for r in range(8) for c in range(7)])
    far = np.mean([looks[r, 0, r, 7].item() for r in range(8)])
    assert near > 1.1 * far


def test_a_masked_autoencoder_hides_its_share():
    model = mae_towers(SHAPES["tiny"], side=16, patch=4, mask_share=0.75, seed=0)
    found = model(pixel_values=torch.zeros(2, 3, 16, 16))
    assert found.mask.sum(1).tolist() == [12, 12]
