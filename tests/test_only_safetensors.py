"""Weights that lie in a folder as pickles only, which could run code, are not read by anything."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.video_model import VideoModel
from genrec.encoders.loading import load_pretrained
from genrec.errors import ConfigError
from genrec.llm.loading import load_base
from genrec.llm.options import BackboneConfig
from genrec.llm.text_transformers import TransformersText
from tests.small_chat import write_chat_model

LOADERS = {
    "an LLM": lambda folder: load_base(BackboneConfig(name=folder, adapt="lora"), ["<a_0>"]),
    "a text model": TransformersText,
    "an encoder": lambda folder: load_pretrained(AutoModel, folder, "The encoder"),
}


def pickled(folder):
    """Every file of weights as a pickle, under the name that libraries look for."""
    found = list(folder.rglob("*.safetensors"))
    assert found
    for path in found:
        name = "pytorch_model" if path.stem == "model" else path.stem
        torch.save(load_file(path), path.with_name(f"{name}.bin"))
        path.unlink()
    return str(folder)


@pytest.mark.parametrize("what", LOADERS)
def test_a_language_model_of_pickles_is_refused(what, tmp_path):
    write_chat_model(tmp_path)
    LOADERS[what](str(tmp_path))
    with pytest.raises(ConfigError, match="safetensors"):
        LOADERS[what](pickled(tmp_path))


def test_a_film_model_of_pickles_is_refused(tmp_path):
    pytest.importorskip("diffusers", reason="needs the extra 'diffusion'")
    from tests.creatives.film.small_videos import saved

    options = FilmOptions(model=saved("svd", tmp_path / "svd"), steps=1, side=64)
    VideoModel.load(options)
    pickled(tmp_path / "svd")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        VideoModel.load(options)


def test_an_adapter_of_pickles_is_refused(tmp_path):
    from peft import LoraConfig, get_peft_model

    folder = write_chat_model(tmp_path / "base")
    base = load_pretrained(AutoModel, folder, "The base")
    get_peft_model(base, LoraConfig(target_modules=["q_proj"])).save_pretrained(tmp_path / "lora")
    pickled(tmp_path / "lora")
    with pytest.raises(ConfigError, match=r"no adapter_model\.safetensors"):
        TransformersText(folder, adapter=str(tmp_path / "lora"))


def test_every_call_that_reads_weights_asks_for_safetensors(repository):
    import ast

    # These read no weights, or look at the files themselves.
    others = ("Tokenizer", "Processor", "Config", "PeftModel", "auto")
    careless = []
    for path in sorted((repository / "genrec").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = ast.unparse(node.func.value)
            if node.func.attr != "from_pretrained" or owner.endswith(others):
                continue
            named = {word.arg for word in node.keywords}
            # Options that are made elsewhere come as ``**options``; a GGUF file holds numbers only.
            if not named & {"use_safetensors", "gguf_file", None}:
                careless.append(f"{path.name}:{node.lineno}")
    assert careless == []
