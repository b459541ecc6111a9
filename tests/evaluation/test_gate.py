import numpy as np
import pytest

from genrec.errors import InputError
from genrec.evaluation.gate import decide


def values(users: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(users)


def test_the_same_model_passes():
    found = decide(values(), values(), margin=0.0, level=0.95)
    assert found.promoted
    assert (found.difference, found.low) == (0.0, 0.0)


def test_a_better_model_passes_with_its_figures():
    found = decide(values(), values() + 0.1, margin=0.0, level=0.95)
    assert found.promoted
    assert found.difference == pytest.approx(0.1)
    assert found.new - found.old == pytest.approx(0.1)
    assert found.to_dict()["users"] == 400


def test_a_worse_model_is_refused_whatever_the_margin():
    found = decide(values(), values() - 0.001, margin=0.5, level=0.95)
    assert not found.promoted
    assert "worse than the model in place by 0.0010" in found.reason


def test_a_better_mean_is_refused_while_a_loss_beyond_the_margin_is_possible():
    noise = np.random.default_rng(1).normal(0.001, 0.5, 100)
    noise += 0.001 - noise.mean()
    strict = decide(values(100), values(100) + noise, margin=0.01, level=0.95)
    assert not strict.promoted
    assert strict.low < strict.most_lost < 0 < strict.difference
    assert "may be worse" in strict.reason
    wide = decide(values(100), values(100) + noise, margin=0.9, level=0.95)
    assert wide.promoted


def test_the_interval_is_one_sided():
    noise = np.random.default_rng(2).normal(0, 1, 2000)
    found = decide(values(2000), values(2000) + noise, margin=0.0, level=0.95)
    deviation = noise.std() / np.sqrt(2000)
    assert (found.difference - found.low) / deviation == pytest.approx(1.645, abs=0.12)


def test_other_users_are_refused():
    with pytest.raises(InputError, match="same users"):
        decide(values(3), values(4), margin=0.1, level=0.95)
