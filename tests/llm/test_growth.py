"""An LLM that gets further tokens knows what it knew."""

import pytest
import torch

from genrec.errors import ConfigError
from genrec.llm.backbone import Backbone
from genrec.llm.growth import with_tokens
from genrec.llm.loading import load_base
from genrec.llm.options import BackboneConfig
from genrec.semantic_ids.index import token_name

BEFORE, NOW = (4, 2), (4, 5)


def names(sizes):
    return [token_name(level, code) for level, size in enumerate(sizes) for code in range(size)]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A folder with an LLM that nobody has given tokens."""
    folder = tmp_path_factory.mktemp("llm")
    model, text_tokenizer = load_base(BackboneConfig("tiny"), [])
    model.save_pretrained(folder)
    text_tokenizer.save_pretrained(folder)
    return str(folder)


def backbone(name, adapt, **options):
    made = Backbone.create(BackboneConfig(name, adapt=adapt, **options), names(BEFORE), BEFORE)
    with torch.no_grad():
        # As if something had been learned.
        torch.manual_seed(1)
        for weight in made.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.05)
    return made.eval()


def logits(llm, level):
    ids = llm.text_tokenizer.convert_tokens_to_ids(["<basket>", "<a_3>", "<b_1>", "<a_0>", "<b_0>"])
    with torch.inference_mode():
        hidden = llm.hidden_states(input_ids=torch.tensor([ids])).last_hidden_state
        return llm.level_logits(hidden[0], level)


@pytest.mark.parametrize("adapt", ["full", "lora", "frozen"])
def test_what_was_known_of_old_tokens_stays(adapt, pretrained):
    before = backbone(pretrained, adapt)
    expected = [logits(before, level) for level in range(2)]
    grown = with_tokens(before, names(NOW), NOW)
    assert grown.codebook_sizes == NOW
    found = [logits(grown, level) for level in range(2)]
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1][:, :2], expected[1])
    assert found[1].shape[1] == 5


def test_a_new_token_starts_at_the_mean_of_its_level():
    grown = with_tokens(backbone("tiny", "full"), names(NOW), NOW)
    rows = grown.head_rows().detach()
    torch.testing.assert_close(rows[6:], rows[4:6].mean(0).expand(3, -1))


@pytest.mark.parametrize("adapt", ["full", "lora"])
def test_a_grown_llm_is_the_same_when_it_is_read_back(adapt, pretrained, tmp_path):
    grown = with_tokens(backbone(pretrained, adapt), names(NOW), NOW)
    grown.write(tmp_path)
    torch.testing.assert_close(logits(Backbone.read(tmp_path), 1), logits(grown, 1))


def test_without_new_tokens_it_is_the_same_object():
    before = backbone("tiny", "full")
    assert with_tokens(before, names(BEFORE), BEFORE) is before


@pytest.mark.parametrize(
    ("name", "rows", "why"), [("", False, "lora_rows is off"), ("tiny", True, "frozen random")]
)
def test_tokens_that_could_never_be_learned_are_refused(name, rows, why, pretrained):
    before = backbone(name or pretrained, "lora", lora_rows=rows)
    with pytest.raises(ConfigError, match=why):
        with_tokens(before, names(NOW), NOW)
