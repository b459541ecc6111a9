import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from genrec.diffusion.row_adapters import RowAdapters
from genrec.errors import ConfigError


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(6, 5)
        self.fold = nn.Conv2d(3, 4, 3, padding=1, stride=2)

    def forward(self, tokens, pixels):
        return self.line(tokens), self.fold(pixels)


def with_adapters(**ranks):
    torch.manual_seed(0)
    model = Small()
    for name, rank in ranks.items():
        config = LoraConfig(
            r=rank, lora_alpha=3, target_modules=["line", "fold"], init_lora_weights=False
        )
        inject_adapter_in_model(config, model, adapter_name=name)
    return model.eval()


def by_peft(model, name, scale, tokens, pixels):
    """One row as peft computes it with that adapter alone."""
    for layer in (model.line, model.fold):
        layer.enable_adapters(enabled=bool(name))
        if name:
            layer.set_adapter(name)
            layer.scaling[name] *= scale
    found = model(tokens, pixels)
    for layer in (model.line, model.fold):
        if name:
            layer.scaling[name] /= scale
        layer.enable_adapters(enabled=False)
    return found


@pytest.mark.parametrize("times", [1, 2])
def test_each_row_is_what_peft_makes_of_it_alone(times):
    names, scales = ["a", "", "b", "a"], [1.0, 1.0, 0.5, 2.0]
    tokens, pixels = torch.randn(4 * times, 7, 6), torch.randn(4 * times, 3, 8, 8)
    model = with_adapters(a=2, b=4)
    rows = RowAdapters([model])
    with torch.inference_mode(), rows.rows(names, scales):
        lines, folds = model(tokens, pixels)
    for row in range(4 * times):
        name, scale = names[row % 4], scales[row % 4]
        with torch.no_grad():
            line, fold = by_peft(model, name, scale, tokens[row : row + 1], pixels[row : row + 1])
        torch.testing.assert_close(lines[row], line[0])
        torch.testing.assert_close(folds[row], fold[0])


def test_outside_the_rows_and_at_no_scale_the_model_is_bare():
    model = with_adapters(a=2)
    inputs = torch.randn(2, 7, 6), torch.randn(2, 3, 8, 8)
    rows = RowAdapters([model])
    bare = model.line.get_base_layer()(inputs[0])
    assert torch.equal(model(*inputs)[0], bare)
    with rows.rows(["a", "a"], [0.0, 0.0]):
        assert torch.equal(model(*inputs)[0], bare)
    with rows.rows(["a", "a"], [1.0, 1.0]):
        assert not torch.allclose(model(*inputs)[0], bare)
    assert torch.equal(model(*inputs)[0], bare)


def test_inputs_without_tokens_have_adapters_too():
    model = with_adapters(a=2)
    rows = RowAdapters([model])
    flat = torch.randn(2, 6)
    with rows.rows(["", "a"], [1.0, 1.0]):
        found = model.line(flat)
    bare = model.line.get_base_layer()(flat)
    assert torch.equal(found[0], bare[0])
    assert not torch.allclose(found[1], bare[1])


def test_it_knows_which_models_an_adapter_changes():
    changed, other = with_adapters(a=2, b=2), nn.Linear(2, 2)
    rows = RowAdapters([changed, other])
    assert rows.names([changed]) == {"a", "b"}
    assert rows.names([other]) == set()


def test_dora_is_refused():
    model = Small()
    config = LoraConfig(r=2, target_modules=["line"], use_dora=True)
    inject_adapter_in_model(config, model, adapter_name="a")
    with pytest.raises(ConfigError, match="no plain LoRA"):
        RowAdapters([model])
