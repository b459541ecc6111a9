import numpy as np
import pytest

from genrec.errors import ConfigError
from genrec.training.hard_prompt import GRADIENT_COST, search_at_random, search_by_gradient

VOCABULARY = np.arange(200)
GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.normal(size=(200, 8))
WANTED = GENERATOR.normal(size=(4, 8))


class Distance:
    """How far each token's vector is from a wanted one; counts how often it is asked."""

    def __init__(self) -> None:
        self.losses = self.gradients = 0

    def loss(self, tokens):
        self.losses += 1
        return float(((VECTORS[list(tokens)] - WANTED) ** 2).mean())

    def gradient(self, tokens):
        self.gradients += 1
        return 2 * (VECTORS[list(tokens)] - WANTED) @ VECTORS.T


def every(tokens) -> bool:
    return True


def test_the_gradient_leads_to_a_smaller_loss_than_chance_for_as_many_evaluations():
    start = [0, 1, 2, 3]
    by_gradient, by_chance = [], []
    for seed in range(5):
        world = Distance()
        found = search_by_gradient(
            start,
            world.loss,
            world.gradient,
            VOCABULARY,
            legal=every,
            evaluations=80,
            candidates=6,
            best_of=20,
            seed=seed,
        )
        assert found.evaluations == world.losses + GRADIENT_COST * world.gradients <= 80
        assert found.loss == Distance().loss(found.tokens) < found.start
        by_gradient.append(found.loss)
        control = search_at_random(
            start, world.loss, VOCABULARY, legal=every, evaluations=80, seed=seed
        )
        assert control.evaluations == 80
        by_chance.append(control.loss)
    assert np.mean(by_gradient) < np.mean(by_chance)


@pytest.mark.parametrize("search", ["gradient", "random"])
def test_only_legal_prompts_are_measured(search):
    world, measured = Distance(), []

    def loss(tokens):
        measured.append(list(tokens))
        return world.loss(tokens)

    def even(tokens):
        return all(token % 2 == 0 for token in tokens)

    if search == "gradient":
        found = search_by_gradient(
            [0, 0, 0, 0], loss, world.gradient, VOCABULARY, legal=even, evaluations=60
        )
    else:
        found = search_at_random([0, 0, 0, 0], loss, VOCABULARY, legal=even, evaluations=60)
    assert len(measured) > 20
    assert all(even(tokens) for tokens in measured)
    assert even(found.tokens)


def test_a_search_that_can_change_nothing_keeps_its_start():
    world = Distance()

    def only_start(tokens):
        return list(tokens) == [1, 2, 3, 4]

    for found in (
        search_by_gradient(
            [1, 2, 3, 4], world.loss, world.gradient, VOCABULARY, legal=only_start, evaluations=30
        ),
        search_at_random([1, 2, 3, 4], world.loss, VOCABULARY, legal=only_start, evaluations=30),
    ):
        assert found.tokens == [1, 2, 3, 4]
        assert found.loss == found.start


def test_the_same_seed_finds_the_same_prompt():
    first, second = (
        search_by_gradient(
            [0, 0, 0, 0],
            Distance().loss,
            Distance().gradient,
            VOCABULARY,
            legal=every,
            evaluations=40,
            seed=3,
        )
        for _ in range(2)
    )
    assert first == second


def test_nothing_to_start_from_is_refused():
    with pytest.raises(ConfigError, match="words to start from"):
        search_at_random([], Distance().loss, VOCABULARY, legal=every, evaluations=5)
