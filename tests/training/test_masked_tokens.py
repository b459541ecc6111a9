import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from genrec.data.catalog import Catalog
from genrec.encoders.text import TextEncoder
from genrec.errors import ConfigError, InputError
from genrec.training.masked_tokens import (
    IGNORED,
    TextRows,
    guess,
    token_loss,
    train_masked_tokens,
)
from genrec.training.options import FitConfig
from genrec.training.pretrain_options import MaskedTokensConfig

# The second word follows from the first.
PAIRS = {"iron": "kettle", "woollen": "scarf", "oak": "table", "glass": "vase"}
TEXTS = [f"{first} {second}" for first, second in PAIRS.items()] * 16


def rows(**options):
    tokens = [[2, 10, 11, 12, 13, 3], [2, 14, 3]]
    chosen = {"share": 0.5, "seed": 0, **options}
    return TextRows(tokens, frozenset({0, 1, 2, 3, 4}), mask_id=4, pad_id=0, words=20, **chosen)


def test_special_tokens_and_padding_are_never_asked_for():
    given = rows(share=1.0)
    batch = given.collate([given[0], given[1]])
    assert batch["labels"].tolist() == [
        [IGNORED, 10, 11, 12, 13, IGNORED],
        [IGNORED, 14, IGNORED, IGNORED, IGNORED, IGNORED],
    ]
    assert batch["attention_mask"].tolist() == [[1] * 6, [1, 1, 1, 0, 0, 0]]


def test_of_hidden_words_eight_in_ten_are_masked_one_replaced_one_kept():
    many = TextRows([[7] * 50_000], frozenset(), 4, 0, 1000, share=0.3, seed=0)
    batch = many.collate([many[0]])
    asked = batch["labels"] != IGNORED
    seen = batch["input_ids"][asked]
    assert asked.float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert (seen == 4).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (seen == 7).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(batch["input_ids"][~asked], torch.full(((~asked).sum(),), 7))


def test_the_loss_is_the_mean_over_hidden_words_and_zero_without_any():
    class Even(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            from types import SimpleNamespace

            return SimpleNamespace(logits=torch.zeros(*input_ids.shape, 20))

    given = rows()
    batch = given.collate([given[0], given[1]])
    assert token_loss(Even(), batch).item() == pytest.approx(math.log(20))
    batch["labels"][:] = IGNORED
    assert token_loss(Even(), batch).item() == 0.0


def test_words_are_learned_from_nothing_and_a_text_encoder_opens_the_folder(tmp_path):
    config = MaskedTokensConfig(model="tiny", vocabulary=300, max_tokens=8, mask_share=0.4)
    fit_config = FitConfig(steps=80, batch_size=16, learning_rate=5e-3, warmup_steps=5)
    trained = train_masked_tokens(
        TEXTS, config=config, fit_config=fit_config, folder=tmp_path / "fit"
    )
    found = guess(trained, TEXTS, config)
    # Where both words are hidden there is nothing to tell them by.
    assert found.accuracy > 0.5 > found.frequent_accuracy
    assert found.loss < 0.7 * found.frequent_loss
    trained.write(tmp_path / "tower")
    encoder = TextEncoder(str(tmp_path / "tower"), cache=tmp_path / "cache")
    assert encoder.encode(Catalog.of_ids(["oak table", "glass vase"])).vectors.shape == (2, 64)
    more = train_masked_tokens(
        TEXTS,
        config=MaskedTokensConfig(model=str(tmp_path / "tower"), max_tokens=8, mask_share=0.4),
        fit_config=FitConfig(steps=2, batch_size=16, learning_rate=1e-5),
        folder=tmp_path / "more",
    )
    start = AutoModelForMaskedLM.from_pretrained(tmp_path / "tower").state_dict()
    assert all(np.allclose(start[n], w, atol=1e-3) for n, w in more.model.state_dict().items())


def test_texts_without_a_word_and_models_without_a_mask_are_refused(tmp_path):
    config = MaskedTokensConfig(model=str(tmp_path / "none"))
    fitting = {"fit_config": FitConfig(steps=1), "folder": tmp_path}
    with pytest.raises(InputError, match="None of the items has a text"):
        train_masked_tokens(["", " "], config=config, **fitting)
    with pytest.raises(ConfigError, match="masked language model"):
        train_masked_tokens(["oak table"], config=config, **fitting)
