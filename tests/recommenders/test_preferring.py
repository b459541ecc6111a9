import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from genrec.data.allowed import AllowedItems
from genrec.data.sequences import Sequences
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.preferring import (
    Course,
    Measured,
    PreferenceCases,
    case_of,
    learner_for,
    prefer,
)
from genrec.training.candidates import CandidateScores, collate_cases
from genrec.training.grpo import invalid_places
from genrec.training.preference_options import (
    DpoConfig,
    GrpoConfig,
    PreferenceConfig,
    PreferenceFitConfig,
)
from tests.small import ITEMS, small_dataset, small_recommender

FIT = PreferenceFitConfig(
    steps=4, batch_size=4, learning_rate=1e-3, warmup_steps=0, validate_every=2, checkpoint_every=2
)
GRPO = PreferenceConfig(method="grpo", fit=FIT, windows=2)
SDPO = PreferenceConfig(method="sdpo", fit=FIT, windows=2)


@pytest.fixture(scope="module")
def dataset():
    return small_dataset(60)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A recommender that knows a little; no test may change it."""
    return small_recommender(tmp_path_factory.mktemp("fit"), steps=12)


@pytest.fixture
def own(trained):
    return copied(trained)


def copied(recommender) -> GenerativeRecommender:
    """The same with an LLM of its own."""
    llm = copy.deepcopy(recommender.backbone)
    return GenerativeRecommender(llm, recommender.catalog, recommender.index, recommender.config)


@pytest.fixture(scope="module")
def batch(trained, dataset):
    cases = PreferenceCases(trained.prompt, dataset.sequences, windows=1)
    return collate_cases([cases[row] for row in range(6)])


@pytest.fixture(scope="module")
def split(dataset):
    training, held = dataset.split("last-out")
    return training, held.take(np.arange(24))


def ndcg(recommender, cases):
    # Of one target each, at most ten places.
    ranked = recommender.rank(cases.histories, 10).items
    found = ranked == cases.targets.items[:, None]
    return float((found / np.log2(np.arange(10) + 2)).sum(axis=1).mean())


def taught(recommender, split, config, folder, **further):
    return prefer(
        recommender, split[0], config, watched=split[1], ndcg=ndcg, folder=folder, **further
    )


def scored(recommender, batch, items, **options):
    scores = CandidateScores(recommender.trie, recommender.index.codes)
    with torch.no_grad():
        return scores(recommender.backbone, batch, items, **options)


def everything(cases: int) -> torch.Tensor:
    return torch.arange(ITEMS).expand(cases, -1)


def test_over_whole_levels_items_score_as_beams_score_them(trained, dataset):
    histories = dataset.sequences.take([0, 3, 8])
    ranked = trained.rank(histories, ITEMS)
    rows = [case_of(trained.prompt, history, history.items[-1:]) for history in histories]
    found = scored(trained, collate_cases(rows), everything(3), normalise="level").sum(dim=2)
    by_item = np.take_along_axis(found.numpy(), ranked.items.astype(np.int64), axis=1)
    assert np.abs(by_item - ranked.scores).max() < 1e-5


def test_over_legal_continuations_the_chances_of_all_items_sum_to_one(trained, batch):
    found = scored(trained, batch, everything(6)).sum(dim=2)
    assert found.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 6, abs=1e-5)


def test_under_rules_those_of_the_allowed_items_do(trained, batch):
    off = [np.arange(row, row + 20) for row in range(6)]
    rules = AllowedItems(ITEMS, [], [], np.full(6, -1), off)
    items = torch.stack(
        [torch.from_numpy(np.setdiff1d(np.arange(ITEMS), closed)) for closed in off]
    )
    found = scored(trained, batch, items, rules=rules).sum(dim=2)
    assert found.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 6, abs=1e-5)


def test_padding_and_company_change_no_score(trained, dataset):
    cases = PreferenceCases(trained.prompt, dataset.sequences)
    chosen = [cases[0], cases[40], cases[77]]
    items = torch.tensor([[3, 9, -1], [7, 7, 30], [59, 0, 1]])
    together = scored(trained, collate_cases(chosen), items)
    for row, case in enumerate(chosen):
        alone = scored(trained, collate_cases([case]), items[row : row + 1])
        assert torch.allclose(together[row], alone[0], atol=1e-5)
    assert not together[0, 2].any()


@pytest.mark.parametrize(("method", "rejected"), [("dpo", 1), ("sdpo", 3)])
def test_at_the_start_the_loss_is_that_of_a_model_which_agrees_with_itself(
    own, dataset, batch, method, rejected
):
    learner = learner_for(own, dataset, replace(SDPO, method=method))
    assert learner.loss(own.backbone, batch).item() == pytest.approx(
        math.log(1 + rejected), abs=1e-5
    )
    assert np.allclose(learner.measure(own.backbone, batch), 0.5)


@pytest.mark.parametrize("source", ["beams", "draws", "popular", "batch"])
@pytest.mark.parametrize("seen", [False, True])
def test_what_was_chosen_is_never_rejected_nor_what_was_seen_unless_asked(
    trained, dataset, batch, source, seen
):
    options = DpoConfig(rejected=8, rejected_from=source, seen=seen)
    learner = learner_for(trained, dataset, replace(SDPO, dpo=options))
    chosen, rejected = learner.pairs(batch, seed=3)
    assert (rejected >= 0).any(dim=1).all()
    assert invalid_places(rejected.numpy(), ITEMS) == 0
    for row in range(len(chosen)):
        held = set(rejected[row].tolist()) - {-1}
        assert chosen[row].item() in batch["targets"][row].tolist()
        assert not held & set(batch["targets"][row].tolist())
        if not seen:
            assert not held & set(batch["seen"][row].tolist())


def test_items_by_beams_are_the_model_s_best_misses(trained, dataset):
    cases = PreferenceCases(trained.prompt, dataset.sequences, windows=1)
    users = [user for user, *_ in cases.spans[:4]]
    learner = learner_for(trained, dataset, replace(SDPO, dpo=DpoConfig(seen=True)))
    _, rejected = learner.pairs(collate_cases([cases[row] for row in range(4)]), seed=0)
    for row, user in enumerate(users):
        whole = dataset.sequences[user].items
        ranked = trained.rank(Sequences.of([whole[:-1]]), 8).items[0]
        best = [item for item in ranked.tolist() if item != whole[-1]]
        assert rejected[row].tolist() == best[:3]


def test_draws_are_items_distinct_and_the_same_for_the_same_seed(trained, dataset, batch):
    learner = learner_for(trained, dataset, replace(GRPO, grpo=GrpoConfig(group=12, seen=False)))
    first = learner.lists(trained.backbone, batch, seed=5)
    again = learner.lists(trained.backbone, batch, seed=5)
    other = learner.lists(trained.backbone, batch, seed=6)
    assert np.array_equal(first.items, again.items)
    assert not np.array_equal(first.items, other.items)
    assert learner.invalid == 0
    assert (first.items >= 0).all()
    assert first.chances.sum(axis=1).tolist() == pytest.approx([1.0] * 6)
    for row, drawn in enumerate(first.items):
        closed = set(batch["seen"][row].tolist()) - set(batch["targets"][row].tolist())
        assert len(set(drawn.tolist())) == 12
        assert not set(drawn.tolist()) & closed


def test_more_draws_than_items_leave_places_empty(trained, dataset, batch):
    learner = learner_for(trained, dataset, replace(GRPO, grpo=GrpoConfig(group=ITEMS + 3)))
    found = learner.lists(trained.backbone, batch, seed=0)
    assert (found.items[:, -3:] == -1).all()
    assert found.hits.sum(axis=1).tolist() == [1] * 6
    assert torch.isfinite(learner.loss(trained.backbone, batch))


def test_draws_serve_as_many_updates_as_asked_for(own, dataset, batch):
    options = GrpoConfig(updates=2, kl=0.1)
    learner = learner_for(own, dataset, replace(GRPO, grpo=options))
    learner.loss(own.backbone, batch)
    first = learner.held
    learner.loss(own.backbone, batch)
    assert learner.held is first
    learner.loss(own.backbone, batch)
    assert learner.held is not first


def test_grpo_raises_what_it_is_paid_for(own, split, tmp_path):
    fit = replace(FIT, steps=20, batch_size=12, learning_rate=2e-3, validate_every=20)
    looks = []
    preferred = taught(
        own,
        split,
        replace(GRPO, fit=fit, windows=0),
        tmp_path,
        on_measured=lambda *a: looks.append(a),
    )
    first, last = (look for look, _ in looks)
    assert (first.step, last.step) == (0, 20)
    # The cases that are watched are not those that are learned from.
    assert last.optimised > first.optimised + 0.05
    assert last.held_out > 0.9 * first.held_out
    assert preferred.invalid == 0


def test_a_run_that_was_killed_goes_on_to_the_same_model(trained, split, tmp_path):
    # What is resumed is still held to the model before the first step.
    config = replace(GRPO, grpo=GrpoConfig(kl=0.1, updates=2))

    class Killed(Exception):
        pass

    def kill(step, _steps, _loss):
        if step == 3:
            raise Killed

    whole, cut = copied(trained), copied(trained)
    straight = taught(whole, split, config, tmp_path / "whole")
    with pytest.raises(Killed):
        taught(cut, split, config, tmp_path / "cut", progress=kill)
    again = copied(trained)
    resumed = taught(again, split, config, tmp_path / "cut")
    assert resumed.course.to_dict() == straight.course.to_dict()
    assert list(resumed.course.measured) == [0, 2, 4]
    for one, other in zip(whole.backbone.parameters(), again.backbone.parameters(), strict=True):
        assert torch.equal(one, other)


def test_cases_are_every_place_of_a_history_or_its_last_ones(trained, dataset):
    lengths = dataset.sequences.lengths
    every = PreferenceCases(trained.prompt, dataset.sequences)
    assert len(every) == (lengths - 1).sum()
    first = every[0]
    assert first.targets.tolist() == [dataset.sequences[0].items[1]]
    assert first.seen.tolist() == [dataset.sequences[0].items[0]]
    last = PreferenceCases(trained.prompt, dataset.sequences, windows=2)
    assert len(last) == np.minimum(lengths - 1, 2).sum()
    assert last.spans[1][2] == lengths[0]


def test_the_items_of_a_basket_are_targets_together(trained):
    baskets = small_dataset(5, baskets=True)
    cases = PreferenceCases(trained.prompt, baskets.sequences)
    history = baskets.sequences[0]
    assert cases[0].targets.tolist() == sorted(history.items[2:4].tolist())
    assert cases[0].seen.tolist() == sorted(set(history.items[:2].tolist()))


def test_a_held_out_reward_that_falls_as_the_other_rises_is_told():
    course = Course(0.05)
    for step, optimised, held_out in [(0, 0.5, 0.2), (1, 0.6, 0.199), (2, 0.4, 0.1), (3, 0.7, 0.1)]:
        course.measured[step] = Measured(step, optimised, held_out)
    assert [bool(course.warning(step)) for step in range(4)] == [False, False, False, True]
    assert course.warnings[0].startswith("step 3: ")
    assert "0.2000 to 0.1000" in course.warnings[0]
