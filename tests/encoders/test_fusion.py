"""Every fusion: what is absent never reaches the output, and every subset works."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genrec.encoders.fusion import (
    Fusion,
    GatedFusion,
    LateFusion,
    build_fusion,
    drop_modalities,
    masked_softmax,
)
from genrec.encoders.fusion_options import FUSIONS, FusionConfig
from genrec.errors import ConfigError, InputError

DIMENSIONS = {"text.title": 5, "text.brand": 3, "image": 7, "audio": 4}
ITEMS = 6


def fusion(kind: str, **options) -> Fusion:
    torch.manual_seed(0)
    made = build_fusion(DIMENSIONS, FusionConfig(kind=kind, width=8, heads=2, **options))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made.eval()


def inputs(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(ITEMS, size, generator=generator) for size in DIMENSIONS.values()]


masks = st.lists(
    st.lists(st.booleans(), min_size=4, max_size=4).filter(any), min_size=ITEMS, max_size=ITEMS
).map(torch.tensor)
rubbish = st.sampled_from([0.0, 1.0, -3e4, float("nan"), float("inf"), float("-inf")])


@pytest.mark.parametrize("kind", FUSIONS)
@settings(max_examples=25, deadline=None)
@given(present=masks, value=rubbish)
def test_what_stands_in_a_masked_slot_never_changes_the_output(kind, present, value) -> None:
    model = fusion(kind)
    clean = inputs()
    dirty = [
        torch.where(present[:, column, None], part, torch.full_like(part, value))
        for column, part in enumerate(clean)
    ]
    with torch.no_grad():
        one, other = model(clean, present), model(dirty, present)
    assert torch.isfinite(one).all()
    assert torch.equal(one, other)


@pytest.mark.parametrize("kind", FUSIONS)
@settings(max_examples=10, deadline=None)
@given(present=masks)
def test_gradients_stay_finite_with_rubbish_in_masked_slots(kind, present) -> None:
    model = fusion(kind)
    dirty = [
        torch.where(present[:, n, None], part, torch.full_like(part, float("nan")))
        for n, part in enumerate(inputs())
    ]
    model(dirty, present).square().sum().backward()
    found = [p.grad for p in model.parameters() if p.grad is not None]
    assert found
    assert all(torch.isfinite(gradient).all() for gradient in found)


@pytest.mark.parametrize("kind", FUSIONS)
def test_what_is_present_does_change_the_output(kind) -> None:
    model, present = fusion(kind), torch.ones(ITEMS, 4, dtype=torch.bool)
    before = model(inputs(), present)
    for column in range(4):
        changed = inputs()
        changed[column] = changed[column] + torch.randn_like(changed[column])
        moved = (model(changed, present) - before).abs().amax(dim=1)
        assert (moved > 1e-3).all(), DIMENSIONS


@pytest.mark.parametrize("kind", FUSIONS)
def test_absent_differs_from_present_zeros(kind) -> None:
    model = fusion(kind)
    zeros = inputs()
    zeros[2] = torch.zeros_like(zeros[2])
    present = torch.ones(ITEMS, 4, dtype=torch.bool)
    absent = present.clone()
    absent[:, 2] = False
    assert (model(zeros, present) - model(zeros, absent)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", FUSIONS)
def test_an_item_is_fused_alone_as_in_a_batch(kind) -> None:
    model = fusion(kind)
    present = torch.rand(ITEMS, 4) < 0.6
    present[:, 0] = True
    together = model(inputs(), present)
    for row in range(ITEMS):
        alone = model([part[row : row + 1] for part in inputs()], present[row : row + 1])
        assert torch.allclose(alone[0], together[row], atol=1e-5)


@pytest.mark.parametrize("kind", FUSIONS)
def test_an_item_without_any_modality_is_refused_by_row(kind) -> None:
    present = torch.ones(ITEMS, 4, dtype=torch.bool)
    present[3] = False
    with pytest.raises(InputError, match=r"1 items have no modality .* row 3"):
        fusion(kind)(inputs(), present)


@settings(max_examples=50, deadline=None)
@given(present=masks, share=st.floats(0, 0.99), seed=st.integers(0, 1000))
def test_dropping_only_hides_and_always_leaves_something(present, share, seed) -> None:
    torch.manual_seed(seed)
    kept = drop_modalities(present, [[0, 1], [2], [3]], share)
    assert not (kept & ~present).any()
    assert kept.any(dim=1).all()


def test_dropping_hides_about_the_share_asked_for() -> None:
    torch.manual_seed(0)
    kept = drop_modalities(torch.ones(20_000, 2, dtype=torch.bool), [[0], [1]], 0.3)
    # Each is hidden by itself with 0.3; where both were, one comes back: 0.3 - 0.09 / 2.
    assert (~kept).float().mean(dim=0).tolist() == pytest.approx([0.255, 0.255], abs=0.015)


def test_modalities_are_dropped_in_training_only() -> None:
    model, present = fusion("gated", modality_dropout=0.5), torch.ones(ITEMS, 4, dtype=torch.bool)
    steady = [model(inputs(), present) for _ in range(2)]
    assert torch.equal(*steady)
    model.train()
    drawn = [model(inputs(), present) for _ in range(2)]
    assert not torch.allclose(*drawn)


@settings(max_examples=25, deadline=None)
@given(present=masks)
def test_gates_share_one_among_those_present(present) -> None:
    model = fusion("gated")
    assert isinstance(model, GatedFusion)
    shares = model.shares(inputs(), present)
    assert torch.allclose(shares.sum(dim=1), torch.ones(ITEMS), atol=1e-5)
    assert (shares[~present] == 0).all()


def test_late_fusion_is_the_weighted_mean_worked_out_by_hand() -> None:
    model = fusion("late")
    assert isinstance(model, LateFusion)
    model.networks = torch.nn.ModuleList(torch.nn.Identity() for _ in DIMENSIONS)
    with torch.no_grad():
        model.weights.copy_(torch.tensor([0.0, 9.0, 1.0, 9.0]).log())
    parts = torch.arange(1.0, 5.0).reshape(1, 4, 1).expand(1, 4, 8)
    present = torch.tensor([[True, True, True, False]])
    # log 0 makes the first count nothing: (9 * 2 + 1 * 3) / 10.
    assert model.join(parts, present)[0].tolist() == pytest.approx([2.1] * 8)


def test_a_softmax_over_nothing_is_nothing() -> None:
    shares = masked_softmax(torch.zeros(2, 3), torch.tensor([[False] * 3, [True, False, True]]))
    assert shares.tolist() == [[0.0] * 3, [0.5, 0.0, 0.5]]


def test_fields_of_one_modality_are_not_aligned_with_each_other() -> None:
    assert fusion("gated").pairs() == [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_options_that_do_not_fit_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"(?s)did you mean 'gated'.*dropout is 1.*3 heads"):
        FusionConfig(kind="gatd", modality_dropout=1.0, heads=3)
