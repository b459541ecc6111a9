import numpy as np
import pytest
import torch

from genrec.errors import ConfigError
from genrec.llm.backbone import base
from tests.small import small_recommender

SMALL = {"steps": 3, "batch_size": 2, "row_tokens": 64, "history": 5}


def trained_weights(folder, **options):
    recommender = small_recommender(folder, **{**SMALL, **options})
    weights = {n: p.detach().clone() for n, p in recommender.backbone.named_parameters()}
    return recommender, weights


def test_while_rows_warm_up_nothing_else_of_the_llm_moves(tmp_path):
    recommender, before = trained_weights(tmp_path / "a", steps=1, learning_rate=1e-12)
    _, after = trained_weights(tmp_path / "b", steps=3, warm_rows_steps=3)
    table = base(recommender.backbone.model).get_input_embeddings().weight
    (name,) = [n for n, p in recommender.backbone.named_parameters() if p is table]
    new = [*recommender.backbone.token_ids.tolist(), recommender.backbone.basket_id]
    old = np.setdiff1d(np.arange(len(table)), new)
    moved = (after[name] - before[name]).abs().amax(1)
    assert float(moved[old].max()) < 1e-9
    assert float(moved[recommender.backbone.token_ids].max()) > 1e-4
    others = [float((after[n] - before[n]).abs().max()) for n in before if n != name]
    assert max(others) < 1e-9


def test_after_the_warm_up_everything_learns(tmp_path):
    _, warm = trained_weights(tmp_path / "a", steps=3, warm_rows_steps=3)
    _, both = trained_weights(tmp_path / "b", steps=5, warm_rows_steps=3)
    moved = [float((both[name] - warm[name]).abs().max()) for name in warm]
    assert min(moved) > 0


def test_no_warm_up_is_as_ever(tmp_path):
    _, one = trained_weights(tmp_path / "a", steps=2)
    _, other = trained_weights(tmp_path / "b", steps=2, warm_rows_steps=0)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_stopped_in_the_warm_up_ends_as_one_that_was_not(tmp_path):
    options = {"steps": 4, "warm_rows_steps": 3, "checkpoint_every": 2, "schedule": "constant"}
    _, whole = trained_weights(tmp_path / "a", **options)

    class Stop(Exception):
        pass

    def stopping(step, _steps, _loss):
        if step == 3:
            raise Stop

    with pytest.raises(Stop):
        trained_weights(tmp_path / "b", progress=stopping, **options)
    _, resumed = trained_weights(tmp_path / "b", **options)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_decay_that_would_move_what_stays_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="weight_decay"):
        small_recommender(tmp_path, warm_rows_steps=2, weight_decay=0.1)


def test_an_adapter_waits_until_the_rows_are_warm(tmp_path):
    recommender, after = trained_weights(tmp_path, steps=2, warm_rows_steps=2, adapt="lora")
    late = [value for name, value in after.items() if "lora_B" in name]
    assert late and not any(value.any() for value in late)
    rows = [value for name, value in after.items() if "trainable_tokens_delta" in name]
    start = base(recommender.backbone.model).get_input_embeddings().original_module.weight
    moved = max(float((value - start[-len(value) :]).abs().max()) for value in rows)
    assert moved > 1e-4
    with pytest.raises(ConfigError, match="lora_rows"):
        small_recommender(tmp_path, warm_rows_steps=2, adapt="lora", lora_rows=False)


def test_rows_may_learn_at_a_rate_of_their_own(tmp_path):
    options = {"adapt": "lora", "steps": 1, "learning_rate": 1e-3}
    _, slow = trained_weights(tmp_path / "b", **options)
    _, fast = trained_weights(tmp_path / "c", **options, rows_learning_rate=1e-2)
    _, start = trained_weights(tmp_path / "d", **{**options, "learning_rate": 1e-12})
    for name in slow:
        far = (slow[name] - start[name]).abs().max(), (fast[name] - start[name]).abs().max()
        if "trainable_tokens_delta" in name:
            # The first step of AdamW is as long as its rate.
            assert float(far[1] / far[0]) == pytest.approx(10, rel=0.01)
        else:
            assert far[0] == far[1]


def test_a_run_stopped_with_two_rates_ends_as_one_that_was_not(tmp_path):
    options = {"steps": 4, "adapt": "lora", "rows_learning_rate": 1e-2, "checkpoint_every": 2}
    _, whole = trained_weights(tmp_path / "a", **options)

    def stopping(step, _steps, _loss):
        if step == 3:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        trained_weights(tmp_path / "b", progress=stopping, **options)
    _, resumed = trained_weights(tmp_path / "b", **options)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "llm.adapt full, where rows learn with all else"),
        ({"adapt": "lora", "lora_rows": False}, "llm.lora_rows false: no rows learn"),
    ],
)
def test_a_rate_of_rows_that_do_not_train_apart_is_refused(tmp_path, options, said):
    with pytest.raises(ConfigError, match=said):
        small_recommender(tmp_path, rows_learning_rate=1e-2, **options)
    with pytest.raises(ConfigError, match="rows_learning_rate is -1"):
        small_recommender(tmp_path, adapt="lora", rows_learning_rate=-1.0)


@pytest.mark.parametrize("adapt", ["frozen", "prompt"])
def test_rows_that_alone_train_have_their_rate_whatever_is_said_of_lora(tmp_path, adapt):
    both = {"adapt": adapt, "lora_rows": False, "steps": 1, "learning_rate": 1e-12}
    _, before = trained_weights(tmp_path / "a", **both)
    _, fast = trained_weights(tmp_path / "b", **both, rows_learning_rate=1e-2)
    (rows,) = [name for name in before if "trainable_tokens_delta" in name]
    assert (fast[rows] - before[rows]).abs().max() > 1e-3
