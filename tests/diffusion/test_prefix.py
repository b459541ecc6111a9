import json

import pytest
import torch

from genrec.diffusion.prefix import PrefixConfig, ProfilePrefix
from genrec.errors import ArtefactError, ConfigError


@pytest.fixture
def prefix():
    torch.manual_seed(0)
    return ProfilePrefix(PrefixConfig(dims=5, tokens=3, hidden=8, width=16)).eval()


def test_at_no_intensity_nothing_is_left_of_the_user(prefix):
    tokens = prefix(torch.randn(4, 5), torch.zeros(4))
    assert tokens.shape == (4, 3, 8)
    assert torch.equal(tokens, prefix.null.expand(4, 3, 8))


def test_intensity_goes_on_a_straight_line(prefix):
    vectors = torch.randn(1, 5).expand(3, 5)
    none, half, whole = prefix(vectors, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(half, (none + whole) / 2)
    assert not torch.allclose(none, whole)


def test_only_the_direction_of_a_taste_counts(prefix):
    vector = torch.randn(1, 5)
    one = torch.ones(1)
    torch.testing.assert_close(prefix(vector, one), prefix(vector * 7, one))
    assert not torch.allclose(prefix(vector, one), prefix(-vector, one))


def test_what_was_saved_is_read_again(prefix, tmp_path):
    prefix.save(tmp_path / "p")
    again = ProfilePrefix.load(tmp_path / "p")
    vector = torch.randn(2, 5)
    assert torch.equal(again(vector, torch.ones(2)), prefix(vector, torch.ones(2)))
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize("damage", ["missing", "truncated", "other shape", "no json"])
def test_a_damaged_prefix_is_refused(prefix, tmp_path, damage):
    prefix.save(tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-40])
    elif damage == "other shape":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"tokens": 4}))
    else:
        config.write_text("{")
    with pytest.raises(ArtefactError, match="no profile prefix"):
        ProfilePrefix.load(tmp_path)


def test_a_prefix_without_tokens_is_refused():
    with pytest.raises(ConfigError, match="tokens"):
        PrefixConfig(dims=5, tokens=0, hidden=8)
