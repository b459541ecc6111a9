"""Which branches live on, on a trie small enough to list every item."""

import numpy as np
import pytest
import torch

from genrec.data.allowed import AllowedItems
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.frontier import Frontier
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie
from genrec.errors import ConfigError

CODES = np.array([(a, b) for a in range(4) for b in range(4) if a * b % 3 != 2])
TABLES = [torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1)) * 1.5]
TABLES += [torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(2)) * 1.5]


def log_probabilities(frontier: Frontier) -> torch.Tensor:
    """A fixed two-level model: the second code's chances depend on the first code."""
    users = len(frontier.nodes)
    if frontier.level == 0:
        return TABLES[0].log_softmax(-1).expand(users, -1, -1)
    rows = TABLES[1][0].log_softmax(-1)
    return rows[frontier.codes]


def run(beams: int, users: int = 1, **options) -> Frontier:
    rules, seeds = options.pop("rules", None), options.pop("seeds", None)
    frontier = Frontier(
        FoldedTrie(Trie.build(CODES), normalise=options.pop("normalise", "level")),
        users,
        beams,
        rules=rules,
        config=DecodeConfig(**options),
        seeds=seeds,
    )
    while not frontier.done:
        frontier.advance(log_probabilities(frontier))
    return frontier


def exact() -> np.ndarray:
    first, second = TABLES[0][0, 0].log_softmax(-1), TABLES[1][0].log_softmax(-1)
    return np.array([float(first[a] + second[a, b]) for a, b in CODES])


def test_enough_beams_give_every_item_in_order():
    found = run(len(CODES)).finish()
    assert found.items[0].tolist() == np.argsort(-exact()).tolist()
    np.testing.assert_allclose(found.scores[0], np.sort(exact())[::-1], atol=1e-6)


def test_dead_beams_are_marked():
    mask = np.zeros(len(CODES), bool)
    mask[[0, 5]] = True
    rules = AllowedItems(len(CODES), [mask], [None], np.array([0]), [np.zeros(0, int)])
    frontier = run(4, rules=rules)
    assert frontier.alive[0].tolist() == [True, True, False, False]
    assert sorted(frontier.finish().items[0].tolist()) == [-1, -1, 0, 5]


def test_diversity_spreads_over_branches_and_never_loses_places():
    narrow, wide = (run(4, strategy="diverse", diversity=d).finish() for d in (0, 20))
    assert narrow.items[0].tolist() == run(4).finish().items[0].tolist()
    firsts = CODES[wide.items[0].numpy(), 0]
    assert sorted(firsts.tolist()) == [0, 1, 2, 3]
    full = run(len(CODES), strategy="diverse", diversity=20).finish()
    assert sorted(full.items[0].tolist()) == list(range(len(CODES)))


def test_diverse_lists_carry_the_true_scores():
    found = run(6, strategy="diverse", diversity=3).finish()
    np.testing.assert_allclose(found.scores[0], exact()[found.items[0]], atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_draws_follow_the_chances_without_replacement(temperature):
    """First and second places of many draws against the exact chances of each ordered pair."""
    draws = 20_000
    found = run(3, draws, strategy="sample", temperature=temperature, seeds=range(draws)).finish()
    first, second = TABLES[0][0, 0].log_softmax(-1), TABLES[1][0].log_softmax(-1)
    chances = np.zeros(len(CODES))
    for item, (a, b) in enumerate(CODES):
        legal = CODES[CODES[:, 0] == a, 1]
        here = torch.softmax(second[a, torch.tensor(legal)] / temperature, 0)
        branch = torch.softmax(first / temperature, 0)[a]
        chances[item] = branch * here[list(legal).index(b)]
    assert all(len(set(row)) == 3 for row in found.items.tolist())
    # Five standard deviations of what is counted.
    share = np.bincount(found.items[:, 0], minlength=len(CODES)) / draws
    assert (np.abs(share - chances) < 5 * np.sqrt(chances / draws)).all()
    pairs = chances[:, None] * chances[None, :] / (1 - chances[:, None])
    np.fill_diagonal(pairs, 0)
    seen = np.zeros_like(pairs)
    np.add.at(seen, (found.items[:, 0].numpy(), found.items[:, 1].numpy()), 1 / draws)
    assert (np.abs(seen - pairs) <= 5 * np.sqrt(pairs / draws)).all()


def test_a_draw_is_the_same_alone_and_among_others():
    together = run(5, 3, strategy="sample", seeds=[7, 8, 9]).finish()
    alone = run(5, 1, strategy="sample", seeds=[8]).finish()
    assert alone.items[0].tolist() == together.items[1].tolist()
    assert together.items[0].tolist() != together.items[1].tolist()


def test_draws_give_every_allowed_item_when_there_are_few():
    mask = np.zeros(len(CODES), bool)
    mask[[1, 2, 9]] = True
    rules = AllowedItems(len(CODES), [mask], [None], np.array([0]), [np.array([2])])
    found = run(4, strategy="sample", rules=rules).finish()
    assert sorted(found.items[0].tolist()) == [-1, -1, 1, 9]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"strategy": "divers"}, "did you mean 'diverse'"),
        ({"temperature": 0}, "above 0"),
        ({"diversity": -1}, "at least 0"),
        ({"beams": 0}, "at least 1"),
    ],
)
def test_unfit_options_are_refused(option, said):
    with pytest.raises(ConfigError, match=said):
        DecodeConfig(**option)


def exact_among_legal() -> np.ndarray:
    first, second = TABLES[0][0, 0].log_softmax(-1), TABLES[1][0]
    scores = []
    for a, b in CODES:
        legal = [other for parent, other in CODES if parent == a]
        scores.append(float(first[a] + second[a, b] - second[a, legal].logsumexp(0)))
    return np.array(scores)


def test_normalised_over_what_is_legal_the_chances_of_all_items_sum_to_one():
    found = run(len(CODES), normalise="legal").finish()
    assert found.items[0].tolist() == np.argsort(-exact_among_legal()).tolist()
    np.testing.assert_allclose(found.scores[0], np.sort(exact_among_legal())[::-1], atol=1e-6)
    assert float(found.scores.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_rules_change_no_score_that_is_normalised_over_what_is_legal():
    mask = np.zeros(len(CODES), bool)
    mask[[0, 5]] = True
    rules = AllowedItems(len(CODES), [mask], [None], np.array([0]), [np.zeros(0, int)])
    found = run(4, rules=rules, normalise="legal").finish()
    scores = dict(zip(found.items[0].tolist(), found.scores[0].tolist(), strict=True))
    assert scores[0] == pytest.approx(exact_among_legal()[0], abs=1e-6)
    assert scores[5] == pytest.approx(exact_among_legal()[5], abs=1e-6)
    assert found.items[0].tolist()[2:] == [-1, -1]


def test_beams_without_a_probability_stay_dead_however_scores_are_normalised():
    frontier = Frontier(FoldedTrie(Trie.build(CODES), normalise="legal"), 1, 4)
    frontier.advance(TABLES[0].log_softmax(-1))
    chances = TABLES[1][0].log_softmax(-1)[frontier.codes]
    chances[0, 1] = -torch.inf
    lost = int(frontier.codes[0, 1])
    frontier.advance(chances)
    found = frontier.finish()
    assert not found.scores.isnan().any()
    assert all(CODES[item][0] != lost for item in found.items[0].tolist() if item >= 0)
