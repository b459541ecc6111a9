import pytest
import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)

from genrec.errors import ConfigError
from genrec.llm.llava import assemble_llava
from tests.small_sight import llava_folder, text_folder
from tests.small_towers import vision_folder

IDS = torch.tensor([[1, 4, 200, 7]])


@pytest.mark.parametrize(
    "tower", ["clip", "clip_vision", "siglip", "siglip_vision", "vit", "dinov2"]
)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_what_is_joined_still_reads_as_the_text_llm_did(tmp_path, tower, tied):
    folder = llava_folder(tmp_path, tower, tied=tied)
    joined = AutoModelForImageTextToText.from_pretrained(folder).eval()
    text = AutoModelForCausalLM.from_pretrained(tmp_path / "text").eval()
    with torch.no_grad():
        both = joined(input_ids=IDS).logits[..., :-1], text(input_ids=IDS).logits
    torch.testing.assert_close(*both)


def test_a_picture_goes_in_through_transformers_own_processor(tmp_path):
    from PIL import Image

    folder = llava_folder(tmp_path)
    joined = AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    logits = []
    for colour in ("red", "blue"):
        inputs = processor(
            images=Image.new("RGB", (40, 40), colour), text="<image>mug", return_tensors="pt"
        )
        with torch.no_grad():
            logits.append(joined(**inputs).logits[0, -1])
    assert (inputs["input_ids"] == joined.config.image_token_index).sum() == 16
    assert (logits[0] - logits[1]).abs().max() > 1e-5


def test_tower_tokenizer_and_image_processor_are_kept(tmp_path):
    folder = llava_folder(tmp_path, "siglip")
    joined = AutoModelForImageTextToText.from_pretrained(folder)
    assert joined.config.vision_feature_select_strategy == "full"
    assert AutoImageProcessor.from_pretrained(folder, backend="pil").size["height"] == 32
    assert "<image>" in AutoTokenizer.from_pretrained(folder).get_vocab()


@pytest.mark.parametrize("tower", ["resnet", "convnext"])
def test_a_tower_without_rows_of_tokens_is_refused(tmp_path, tower):
    vision = vision_folder(tower, tmp_path / "tower")
    with pytest.raises(ConfigError, match="cannot be a Llava's"):
        assemble_llava(str(text_folder(tmp_path / "text")), vision, tmp_path / "llava")
    assert not (tmp_path / "llava").exists()


def test_an_llm_that_is_not_there_is_named(tmp_path):
    vision = vision_folder("clip", tmp_path / "tower")
    with pytest.raises(ConfigError, match="The text LLM"):
        assemble_llava(str(tmp_path / "nothing"), vision, tmp_path / "llava")
