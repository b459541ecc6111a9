"""SASRec reads the past only, supervises every event once, and repeats itself by seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from genrec.data.sequences import History, Sequences
from genrec.errors import ConfigError, InputError
from genrec.recommenders.sasrec import SASRec
from genrec.recommenders.sasrec_network import (
    NO_TARGET,
    SASRecConfig,
    SASRecNetwork,
    batch_of,
    windows,
)
from genrec.training.options import FitConfig
from tests.contracts.recommender import shop

SMALL = SASRecConfig(width=8, heads=2, max_history=4, dropout=0.0, negatives=0)


def test_every_event_is_a_target_exactly_once() -> None:
    history = list(range(11))
    batch = batch_of(windows(Sequences.of([history]), 4))
    targets = batch["targets"][batch["targets"] != NO_TARGET]
    assert sorted(targets.tolist()) == history


def test_a_target_follows_the_event_at_its_place() -> None:
    batch = batch_of(windows(Sequences.of([[5, 6, 7, 8, 9, 10]]), 4))
    known = batch["targets"][:, 1:] != NO_TARGET
    assert (batch["targets"][:, 1:][known] == batch["items"][:, 1:][known] + 1).all()


def test_targets_of_a_basket_come_from_the_next_one() -> None:
    history = History(np.arange(6, dtype=np.int32), None, np.array([0, 0, 1, 1, 1, 2], np.int32))
    (window,) = windows(Sequences.of([history]), 10)
    assert [sorted(chosen) for chosen in window.following] == [
        [0, 1],
        [2, 3, 4],
        [2, 3, 4],
        [5],
        [5],
        [5],
    ]


def test_an_event_does_not_see_later_ones() -> None:
    torch.manual_seed(0)
    network = SASRecNetwork(12, SMALL).eval()
    items = torch.tensor([[0, 1, 2, 3, 4]])
    changed = torch.tensor([[0, 1, 2, 9, 8]])
    ranks = torch.arange(5)[None]
    one, other = network.encode(items, ranks), network.encode(changed, ranks)
    assert torch.allclose(one[:, :3], other[:, :3], atol=1e-6)
    assert not torch.allclose(one[:, 3:], other[:, 3:], atol=1e-3)


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    network = SASRecNetwork(12, SMALL).eval()
    alone = network(**batch_of(windows(Sequences.of([[1, 2]]), 4)))
    both = batch_of(windows(Sequences.of([[1, 2], [3, 4, 5, 6]]), 4))
    both["targets"][1] = NO_TARGET
    assert network(**both).item() == pytest.approx(alone.item(), abs=1e-6)


@pytest.mark.parametrize("temperature", [0.0, 0.1])
@pytest.mark.parametrize("item_bias", [False, True])
def test_sampling_every_item_gives_the_full_loss(temperature, item_bias, monkeypatch) -> None:
    settings = replace(SMALL, negatives=12, temperature=temperature, item_bias=item_bias)
    torch.manual_seed(0)
    network = SASRecNetwork(13, settings, counts=np.arange(13)).eval()
    # Twelve of thirteen items are drawn; the target is the thirteenth.
    monkeypatch.setattr(torch, "randint", lambda *args, **kwargs: torch.arange(12))
    batch = {
        "items": torch.tensor([[0, 3, 4]]),
        "ranks": torch.tensor([[0, 1, 2]]),
        "targets": torch.tensor([[NO_TARGET, NO_TARGET, 12]]),
    }
    hidden = network.encode(batch["items"], batch["ranks"])[:, -1]
    full = F.cross_entropy(network.logits(hidden), torch.tensor([12]))
    assert network(**batch).item() == pytest.approx(full.item(), abs=1e-5)


def test_the_same_seed_gives_the_same_weights(tmp_path) -> None:
    fit_config = FitConfig(steps=5, batch_size=4)
    one, other = (
        SASRec.train(shop(), network=SMALL, fit_config=fit_config, folder=tmp_path / name)
        for name in "ab"
    )
    for mine, theirs in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_steps_are_chosen_on_held_out_events_and_then_everything_is_used() -> None:
    fit_config = FitConfig(steps=6, batch_size=4, validate_every=2)
    recommender = SASRec.train(shop(), network=SMALL, fit_config=fit_config)
    chosen, refit = recommender.trained
    assert chosen.best_step in (2, 4, 6)
    assert refit.steps == chosen.best_step


def test_options_that_do_not_fit_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"(?s)dropout is 1.*width is 10, which 4 heads"):
        SASRecConfig(width=10, heads=4, dropout=1.0)


def test_a_validation_without_cases_is_refused() -> None:
    train, validation = shop().split("last-out")
    with pytest.raises(InputError, match="no cases"):
        SASRec.train(
            train,
            validation=validation.take(np.arange(0)),
            network=SMALL,
            fit_config=FitConfig(steps=2, validate_every=1),
        )
