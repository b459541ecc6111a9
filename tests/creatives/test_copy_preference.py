import numpy as np
import pytest
from safetensors.numpy import load_file

from genrec.creatives.copy_options import CopyPreferenceConfig
from genrec.creatives.copy_preference import CopyPair, learn_from_clicks, learn_from_pairs
from genrec.creatives.copy_reward import CopyReward
from genrec.errors import ConfigError, InputError, MissingExtra
from genrec.llm.text import Message
from genrec.llm.text_transformers import TransformersText
from tests.small_chat import write_chat_model

ASKED = (Message("user", "Write a line for fresh bread."),)


class Capitals:
    """Pays for letters from the first half of the alphabet; noise has some and others not."""

    def scores(self, texts):
        return np.array([float(sum(letter < "m" for letter in text)) for text in texts])


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    chat = write_chat_model(tmp_path_factory.mktemp("chat") / "llm")
    return CopyPreferenceConfig(
        llm=chat, lora_rank=2, steps=2, batch_size=4, learning_rate=1e-2, answer_tokens=6
    )


def changed(folder) -> bool:
    tensors = load_file(folder / "adapter_model.safetensors")
    second = [values for name, values in tensors.items() if "lora_B" in name]
    return bool(second) and any(np.abs(values).max() > 0 for values in second)


@pytest.mark.slow
def test_both_ways_leave_an_adapter_that_a_text_model_opens(options, tmp_path):
    pairs = [CopyPair(ASKED, "Baked at five.", "Bread.")] * 4
    losses = learn_from_pairs(pairs, tmp_path / "pairs", options)
    # The first loss is that of a model which agrees with its own start.
    assert losses[0] == pytest.approx(np.log(2), abs=1e-3)
    assert losses[1] < losses[0]
    assert changed(tmp_path / "pairs")
    told = []
    reward = CopyReward(Capitals(), group=4, restraint=0.0)
    spread = learn_from_clicks(
        [ASKED], reward, tmp_path / "clicks", options, progress=lambda *step: told.append(step[:2])
    )
    assert told == [(1, 2), (2, 2)]
    assert spread[0] > 0
    assert changed(tmp_path / "clicks")
    for name in ("pairs", "clicks"):
        writer = TransformersText(options.llm, device="cpu", adapter=str(tmp_path / name))
        assert writer.generate(ASKED, max_tokens=2)


def test_what_cannot_be_learned_from_is_refused(options, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no pairs"):
        learn_from_pairs([], tmp_path, options)
    with pytest.raises(InputError, match="no requests"):
        learn_from_clicks([], CopyReward(Capitals(), group=2), tmp_path, options)
    with pytest.raises(ConfigError, match="groups of 3"):
        learn_from_clicks([ASKED], CopyReward(Capitals(), group=3), tmp_path, options)
    monkeypatch.setattr("genrec.creatives.copy_preference.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"genrec\[preference\]"):
        learn_from_pairs([CopyPair(ASKED, "a", "b")], tmp_path, options)
    with pytest.raises(ConfigError, match="steps is 0; .*beta is 0"):
        CopyPreferenceConfig(steps=0, beta=0)
