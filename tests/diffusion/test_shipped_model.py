from genrec.diffusion.small import TOY, made_by, model_place
from genrec.shipped import CHECKPOINTS, shipped_folder

MOST_BYTES = 10_000_000


def test_the_shipped_model_is_small_and_without_pickles():
    files = [path for path in shipped_folder(CHECKPOINTS).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert {path.suffix for path in files} == {".json", ".safetensors"}


def test_it_says_what_made_it_and_names_no_place_of_a_machine():
    assert made_by(TOY)["data"] == "toy_shop"
    said = [path.read_text() for path in shipped_folder(CHECKPOINTS).rglob("*.json")]
    assert said and not any("_name_or_path" in text for text in said)


def test_another_name_stays_as_it_is():
    assert model_place("some/model") == "some/model"
