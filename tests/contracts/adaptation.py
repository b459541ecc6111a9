"""What every adaptation of an LLM owes its callers. Subclass it and say what it is.

::

    class TestDora(AdaptationContract):
        options = {"adapt": "dora"}
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from genrec.data.dataset import Dataset
from genrec.data.sequences import Sequences
from genrec.llm.backbone import Backbone, base
from genrec.llm.loading import load_base
from genrec.llm.presets import byte_tokenizer
from genrec.recommenders.generative import GenerativeRecommender
from tests.small import small_dataset, small_index

WIDTH, INNER, LAYERS, BATCH = 32, 48, 2, 4
RANK = 4
# Of one layer of the LLM below: four square matrices, two that widen and one that narrows.
MATRICES = [(WIDTH, WIDTH)] * 4 + [(WIDTH, INNER)] * 2 + [(INNER, WIDTH)]
LORA_OF_LAYER = sum(RANK * (inputs + outputs) for inputs, outputs in MATRICES)
ROWS = sum(small_index().codebook_sizes) + 1
SEGMENTS = ["bakers", "cooks", None]


def pretrained(folder: Path, *, tied: bool = True) -> str:
    """A pretrained LLM as a hub would give it."""
    text_tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(text_tokenizer),
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        tie_word_embeddings=tied,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    text_tokenizer.save_pretrained(folder)
    return str(folder)


def world() -> Dataset:
    """The small world, with a column that says what its users are; every third is nothing."""
    users = [f"u{number}" for number in range(200)]
    kinds = [SEGMENTS[number % 3] for number in range(200)]
    return replace(small_dataset(), user_table=pl.DataFrame({"user_id": users, "kind": kinds}))


def trained(llm: str, folder: Path | None = None, **options: Any) -> GenerativeRecommender:
    """A recommender after a few steps."""
    chosen: dict[str, Any] = {
        "dtype": "float32",
        "lora_rank": RANK,
        "lora_alpha": 2 * RANK,
        "batch_size": BATCH,
        "row_tokens": 128,
        "learning_rate": 1e-2,
        "steps": 12,
        "log_every": 4,
        **options,
    }
    return GenerativeRecommender.train(llm, world(), small_index(), folder=folder, **chosen)


def asked() -> Sequences:
    """Histories of users of every kind, and of nobody."""
    return Sequences.of([*world().sequences.take(np.arange(5)), [3, 4]])


def frozen_weights(model: Any, rows: int) -> dict[str, torch.Tensor]:
    """The base's weights by their plain names, tables of tokens without the new rows."""
    found = {}
    for name, parameter in base(model).named_parameters():
        if "lora_" in name or "trainable_tokens" in name:
            continue
        plain = name.replace(".base_layer", "").replace(".token_adapter", "")
        table = "embed_tokens" in plain or "lm_head" in plain
        found[plain] = (parameter[:-rows] if table else parameter).detach().clone()
    return found


class AdaptationContract:
    """The tests.

    Attributes:
        options: of the recommender.
        expected: trained parameters, counted by hand.
        full: whether everything trains.
        tolerance: how far a merged export's scores may be from the adapter's.
    """

    options: dict[str, Any]
    expected: int
    full = False
    tolerance = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def llm(cls, tmp_path_factory) -> str:
        return pretrained(tmp_path_factory.mktemp("llm"))

    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls, llm) -> GenerativeRecommender:
        return trained(llm, **cls.options)

    @pytest.fixture(scope="class")
    @classmethod
    def saved(cls, recommender, tmp_path_factory) -> Path:
        folder = tmp_path_factory.mktemp("saved") / "recommender"
        recommender.save(folder)
        return folder

    def test_the_loss_falls(self, recommender) -> None:
        losses = recommender.fitted.losses
        assert losses[-1] < losses[0] - 0.02

    def test_what_trains_is_as_many_numbers_as_counted_by_hand(self, recommender) -> None:
        assert recommender.backbone.trained_parameters == self.expected

    def test_everything_that_trains_has_moved(self, llm, recommender) -> None:
        start = dict(trained_parameters(created(recommender, llm)))
        for name, values in trained_parameters(recommender.backbone):
            assert not torch.equal(values, start[name]), name

    def test_frozen_weights_stay_bit_for_bit(self, llm, recommender) -> None:
        settings, names = recommender.backbone.settings, recommender.backbone.token_names
        extra = sum(len(tokens) for tokens in recommender.backbone.soft.values())
        tokens = [f"<new_{number}>" for number in range(len(names) + 1 + extra)]
        before = frozen_weights(load_base(settings, tokens)[0], len(tokens))
        after = frozen_weights(recommender.backbone.model, len(tokens))
        assert before.keys() == after.keys()
        same = [torch.equal(before[name], after[name]) for name in before]
        assert not any(same) if self.full else all(same)

    def test_what_was_saved_ranks_as_before(self, recommender, saved) -> None:
        loaded = GenerativeRecommender.load(saved, recommender.catalog)
        assert loaded.backbone.trained_parameters == self.expected
        before, after = recommender.rank(asked(), 10), loaded.rank(asked(), 10)
        np.testing.assert_array_equal(after.items, before.items)
        np.testing.assert_allclose(after.scores, before.scores, atol=1e-5)

    def test_a_resumed_run_ends_as_one_that_was_never_stopped(
        self, llm, recommender, tmp_path
    ) -> None:
        stop = RuntimeError("stopped")

        def until_seven(step: int, steps: int, loss: float) -> None:
            if step == 7:
                raise stop

        options = {**self.options, "checkpoint_every": 3}
        with pytest.raises(RuntimeError, match="stopped"):
            trained(llm, tmp_path, progress=until_seven, **options)
        assert (tmp_path / "checkpoint-6" / "sealed.json").is_file()
        resumed = dict(trained_parameters(trained(llm, tmp_path, **options).backbone))
        for name, values in trained_parameters(recommender.backbone):
            torch.testing.assert_close(resumed[name], values, atol=1e-6, rtol=1e-5)

    def test_peft_itself_reads_the_adapter(self, recommender, saved) -> None:
        backbone = recommender.backbone
        if self.full:
            assert not (saved / "adapter").exists()
            plain = AutoModelForCausalLM.from_pretrained(saved / "model", dtype=torch.float32)
        else:
            plain = self.read_by_peft(backbone, saved / "adapter")
        torch.testing.assert_close(
            logits(plain.eval(), backbone), logits_here(backbone), atol=1e-5, rtol=1e-4
        )

    def read_by_peft(self, backbone: Backbone, folder: Path) -> Any:
        """The base with the adapter on it, by peft alone."""
        extra = [token for tokens in backbone.soft.values() for token in tokens]
        model, _ = load_base(backbone.settings, [*backbone.token_names, "<basket>", *extra])
        return PeftModel.from_pretrained(model, str(folder))

    def test_a_merged_export_scores_as_the_adapter_does(self, recommender, tmp_path) -> None:
        backbone = recommender.backbone
        backbone.export_merged(tmp_path, domain="" if backbone.mixture else None)
        plain = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
        torch.testing.assert_close(
            logits(plain, backbone), logits_here(backbone), atol=self.tolerance, rtol=1e-3
        )


def trained_parameters(backbone: Backbone) -> list[tuple[str, torch.Tensor]]:
    return [(name, p.detach()) for name, p in backbone.named_parameters() if p.requires_grad]


def created(recommender: GenerativeRecommender, llm: str) -> Backbone:
    """The same backbone before any step."""
    mixture = recommender.backbone.mixture
    return Backbone.create(
        recommender.backbone.settings,
        recommender.backbone.token_names,
        recommender.backbone.codebook_sizes,
        soft=recommender.backbone.soft,
        domains=mixture.names if mixture else (),
    )


IDS = torch.tensor([[1, 70, 200, 7, 90, 8]])


@torch.no_grad()
def logits(model: Any, backbone: Backbone) -> torch.Tensor:
    return model(input_ids=IDS).logits[..., backbone.token_ids].float()


def logits_here(backbone: Backbone) -> torch.Tensor:
    """By the backbone's own way, as decoding goes; nobody's domain."""
    backbone.eval()
    with torch.no_grad(), backbone.in_domains(torch.tensor([[-1]])):
        hidden = backbone.hidden_states(input_ids=IDS).last_hidden_state
        levels = range(len(backbone.codebook_sizes))
        return torch.cat([backbone.level_logits(hidden, level) for level in levels], dim=-1)
