import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genrec.errors import ArtefactError, ConfigError, InputError, MissingExtra
from genrec.llm.vllm_engine import VllmEngine, check_adapter
from tests.vllm_case import ENGINE, PROMPTS, tiny_backbone


def linear_adapter(backbone, folder, **options):
    """A peft LoRA of the backbone's model with weights that are not zero."""
    import copy

    from peft import LoraConfig, get_peft_model

    options = {"target_modules": ["q_proj", "v_proj", "down_proj"], "r": 4, **options}
    model = get_peft_model(copy.deepcopy(backbone.model), LoraConfig(**options))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.2, generator=torch.Generator().manual_seed(3))
    model.save_pretrained(folder)
    return model


@torch.no_grad()
def log_probabilities(backbone, tokens, level, model=None):
    """Straight from the whole vocabulary's logits."""
    logits = (model or backbone.model)(input_ids=torch.tensor([tokens])).logits[0, -1]
    start = sum(backbone.codebook_sizes[:level])
    rows = backbone.token_ids[start : start + backbone.codebook_sizes[level]]
    return torch.log_softmax(logits[rows].float(), dim=-1)


def test_a_folder_that_is_no_export_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(ArtefactError, match="export_merged"):
        VllmEngine(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ArtefactError, match="holds no backbone"):
        VllmEngine(tmp_path)


def test_without_vllm_the_extra_is_named(tmp_path, monkeypatch):
    tiny_backbone().export_merged(tmp_path)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra, match=r"genrec\[vllm\]"):
        VllmEngine(tmp_path)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"trainable_token_indices": [3, 4]}, "trainable_token_indices"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"use_dora": True}, "use_dora"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "tensors of the embedding"),
        ({"bias": "all"}, "bias='all'"),
        ({"rank_pattern": {"q_proj": 600}}, "rank 600"),
    ],
)
def test_an_adapter_that_vllm_cannot_apply_is_refused_with_what_to_do(tmp_path, options, named):
    linear_adapter(tiny_backbone(), tmp_path, **options)
    with pytest.raises(ConfigError, match="export_merged") as error:
        check_adapter(tmp_path)
    assert named in str(error.value)


def test_an_adapter_of_another_kind_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(ArtefactError, match="no whole adapter"):
        check_adapter(tmp_path)
    linear_adapter(tiny_backbone(), tmp_path)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "peft_type": "IA3"}))
    with pytest.raises(ConfigError, match="IA3"):
        check_adapter(tmp_path)


@pytest.mark.parametrize(("rank", "room"), [(1, 1), (4, 8), (16, 16), (33, 64)])
def test_room_is_made_for_the_rank(tmp_path, rank, room):
    linear_adapter(tiny_backbone(), tmp_path, r=rank)
    assert check_adapter(tmp_path) == room


def test_the_own_adapter_of_a_lora_backbone_must_be_merged(tmp_path):
    tiny_backbone(adapt="lora").write(tmp_path)
    with pytest.raises(ConfigError, match="trainable_token_indices"):
        check_adapter(tmp_path / "adapter")


@pytest.mark.vllm
class TestRunning:
    @pytest.fixture(scope="class")
    @classmethod
    def backbone(cls):
        return tiny_backbone()

    @pytest.fixture(scope="class")
    @classmethod
    def adapted(cls, backbone, tmp_path_factory):
        folder = tmp_path_factory.mktemp("adapter")
        return folder, linear_adapter(backbone, folder).eval()

    @pytest.fixture(scope="class")
    @classmethod
    def export(cls, backbone, tmp_path_factory):
        folder = tmp_path_factory.mktemp("export")
        backbone.export_merged(folder)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, export):
        with VllmEngine(export, **ENGINE) as engine:
            yield engine

    @pytest.mark.parametrize("level", [0, 1, 2])
    def test_log_probabilities_are_those_of_transformers(self, backbone, engine, level):
        path = [backbone.token_ids[8 * number].item() for number in range(level)]
        sequences = [[*prompt, *path] for prompt in PROMPTS]
        found = engine.level_log_probabilities(sequences, level)
        assert found.shape == (len(PROMPTS), backbone.codebook_sizes[level])
        torch.testing.assert_close(found.exp().sum(1), torch.ones(len(PROMPTS)))
        for row, tokens in enumerate(sequences):
            expected = log_probabilities(backbone, tokens, level)
            torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=0)

    def test_what_the_cache_holds_does_not_change_the_answer(self, backbone, engine):
        first = engine.level_log_probabilities(PROMPTS, 0)
        torch.testing.assert_close(engine.level_log_probabilities(PROMPTS, 0), first)
        alone = [engine.level_log_probabilities([prompt], 0)[0] for prompt in PROMPTS]
        torch.testing.assert_close(torch.stack(alone), first, atol=1e-5, rtol=0)

    def test_sequences_that_do_not_fit_are_all_named(self, engine):
        assert engine.longest == ENGINE["max_model_len"] - 1
        with pytest.raises(InputError, match="max_model_len") as error:
            engine.level_log_probabilities([[1], [], [1] * 256], 0)
        assert error.value.problems == [
            "sequence 1 has 0 tokens",
            "sequence 2 has 256 tokens",
        ]

    def test_the_longest_sequence_fits(self, engine):
        assert engine.level_log_probabilities([[1] * engine.longest], 0).isfinite().all()

    def test_a_lora_on_linear_layers_is_applied(self, backbone, export, adapted):
        folder, model = adapted
        with VllmEngine(export, adapter=folder, **ENGINE) as engine:
            found = engine.level_log_probabilities(PROMPTS, 0)
        for row, tokens in enumerate(PROMPTS):
            expected = log_probabilities(backbone, tokens, 0, model)
            torch.testing.assert_close(found[row], expected, atol=1e-3, rtol=0)
        assert (found[0] - log_probabilities(backbone, PROMPTS[0], 0)).abs().max() > 0.01

    def test_our_own_lora_with_new_rows_works_when_merged(self, tmp_path):
        backbone = tiny_backbone(adapt="lora")
        backbone.export_merged(tmp_path)
        with VllmEngine(tmp_path, **ENGINE) as engine:
            found = engine.level_log_probabilities(PROMPTS, 1)
        for row, tokens in enumerate(PROMPTS):
            expected = log_probabilities(backbone, tokens, 1)
            torch.testing.assert_close(found[row], expected, atol=1e-3, rtol=0)

    def test_options_that_vllm_refuses_are_told_with_its_reason(self, export):
        with pytest.raises(ConfigError, match="max_modell_len"):
            VllmEngine(export, max_modell_len=5)
        with pytest.raises(ConfigError, match="does not start"):
            VllmEngine(export, max_model_len=10**9)

    def test_health_is_true_until_closed_and_closing_twice_is_fine(self, export):
        engine = VllmEngine(export, **ENGINE)
        assert engine.health()
        engine.close()
        engine.close()
        assert not engine.health()
        with pytest.raises(ConfigError, match="closed"):
            engine.level_log_probabilities([[1]], 0)

    @pytest.mark.parametrize("processes", ["0", "1"])
    def test_no_process_is_left_after_closing(self, export, processes):
        done = subprocess.run(
            [sys.executable, "-m", "tests.vllm_orphans", str(export)],
            env={**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": processes},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        during, after = map(int, done.stdout.split()[-2:])
        assert (during > 0) == (processes == "1")
        assert after == 0
