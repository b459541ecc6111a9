import numpy as np
import pytest

from genrec.creatives.bandit import POLICIES, BanditConfig, LinearBandit, crossed
from genrec.creatives.off_policy import Log, ips
from genrec.errors import ArtefactError, ConfigError, InputError

TRUE = np.array([0.2, 0.5, -0.4, 0.3])


def world(number):
    """Candidates of a choice, the same for every bandit: a constant and three features."""
    generator = np.random.default_rng([7, number])
    return np.hstack([np.ones((4, 1)), generator.random((4, 3))])


def clicked(number, expected):
    return float(np.random.default_rng([8, number]).random() < expected)


def played(policy, *, choices=600, late=0, **options):
    """A bandit after choices in the simulated world, and what it lost against the best."""
    bandit = LinearBandit(4, BanditConfig(policy=policy, draws=100, **options))
    regret, waiting, log = 0.0, [], []
    for number in range(choices):
        features = world(number)
        expected = np.clip(features @ TRUE, 0, 1)
        decision = bandit.choose(features)
        reward = clicked(number, expected[decision.chosen])
        regret += expected.max() - expected[decision.chosen]
        waiting.append((decision.number, reward))
        log.append((decision, reward))
        if len(waiting) > late:
            bandit.reward(*waiting.pop(0))
    return bandit, regret, log


@pytest.fixture(scope="module")
def uniform_regret():
    return played("uniform")[1]


@pytest.mark.parametrize("policy", ["linucb", "thompson", "softmax"])
def test_every_policy_loses_less_than_uniform_choice(policy, uniform_regret):
    assert played(policy)[1] < 0.6 * uniform_regret


def test_rewards_that_come_fifty_choices_late_are_learned_from(uniform_regret):
    bandit, regret, _ = played("thompson", late=50)
    assert regret < 0.7 * uniform_regret
    assert len(bandit.pending) == 50


@pytest.mark.parametrize("policy", POLICIES)
def test_choices_are_as_frequent_as_their_logged_probabilities(policy):
    learned = played(policy, choices=60)[0]
    features = world(1000)
    counts, told = np.zeros(4), np.zeros(4)
    for number in range(1500):
        # The same state, another draw: only the number of the choice differs.
        learned.choices = 10_000 + number
        decision = learned.choose(features)
        counts[decision.chosen] += 1
        told += decision.propensities
        assert sum(decision.propensities) == pytest.approx(1)
    error = np.sqrt(told / 1500 * (1 - told / 1500) / 1500)
    assert (np.abs(counts - told) / 1500 <= 4 * error + 1e-9).all()


def test_thompson_says_how_far_its_probabilities_may_be_from_unlimited_draws():
    bandit = played("thompson", choices=40)[0]
    features = world(2000)
    many = LinearBandit(4, BanditConfig(policy="thompson", draws=100_000))
    many._precision, many._moment = bandit._precision, bandit._moment
    ideal = many.probabilities(features)
    decision = bandit.choose(features)
    assert 0 < decision.error <= 0.5 / np.sqrt(100)
    assert np.abs(ideal - decision.propensities).max() < 4 * decision.error


def test_two_arms_are_as_probable_as_the_normal_distribution_says():
    bandit = LinearBandit(2, BanditConfig(draws=200_000, floor=0.0, noise=1.0))
    # Weights are independent with variance 1 and 1/2, means 0 and 1/2.
    bandit.choose(np.array([[0.0, 1.0]]))
    bandit.reward(0, 1.0)
    odds = bandit.probabilities(np.eye(2))
    from statistics import NormalDist

    assert odds[1] == pytest.approx(NormalDist().cdf(0.5 / np.sqrt(1.5)), abs=0.005)


def test_the_posterior_of_one_feature_by_hand():
    bandit = LinearBandit(1, BanditConfig(noise=0.5, penalty=1.0))
    for value in (1.0, 0.0, 1.0):
        bandit.reward(bandit.choose(np.array([[2.0]])).number, value)
    mean, deviation = bandit.estimate(np.array([[1.0]]))
    # Precision 1 + 3 x 4 / .25 = 49; mean (2 + 2) / .25 / 49.
    assert mean[0] == pytest.approx(16 / 49)
    assert deviation[0] == pytest.approx(1 / 7)


def test_linucb_prefers_what_it_knows_less_of_at_equal_means():
    bandit = LinearBandit(2, BanditConfig(policy="linucb", floor=0.0))
    for _ in range(5):
        bandit.reward(bandit.choose(np.array([[1.0, 0.0]])).number, 0.0)
    assert bandit.probabilities(np.eye(2)).tolist() == [0.0, 1.0]


def test_the_floor_is_kept_by_every_policy():
    for policy in POLICIES:
        bandit = played(policy, choices=100, floor=0.2)[0]
        assert bandit.probabilities(world(5000)).min() >= 0.2 / 4 - 1e-12


def test_equal_seeds_choose_alike_and_other_seeds_do_not():
    def chosen(seed):
        return [d.chosen for d, _ in played("thompson", choices=60, seed=seed)[2]]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


def test_a_saved_bandit_goes_on_as_if_it_had_never_stopped(tmp_path):
    bandit = played("thompson", choices=30, late=5)[0]
    bandit.save(tmp_path / "bandit")
    again = LinearBandit.open(tmp_path / "bandit")
    assert again.pending == bandit.pending
    for number in range(30, 45):
        assert again.choose(world(number)) == bandit.choose(world(number))
        for one in (bandit, again):
            one.reward(one.pending[0], 1.0)
    assert np.array_equal(again.estimate(world(1))[0], bandit.estimate(world(1))[0])


def test_a_damaged_bandit_is_refused(tmp_path):
    LinearBandit(3).save(tmp_path / "bandit")
    (tmp_path / "bandit" / "bandit.safetensors").write_bytes(b"0")
    with pytest.raises(ArtefactError, match=r"bandit\.safetensors"):
        LinearBandit.open(tmp_path / "bandit")


def test_rewards_in_any_order_teach_the_same():
    forward, backward = LinearBandit(4), LinearBandit(4)
    for bandit in (forward, backward):
        for number in range(10):
            bandit.choose(world(number))
    for number in range(10):
        forward.reward(number, number / 10)
        backward.reward(9 - number, (9 - number) / 10)
    assert np.allclose(forward.estimate(world(0))[0], backward.estimate(world(0))[0])


def test_choices_without_a_click_in_time_are_closed_as_none():
    closed, told = LinearBandit(4), LinearBandit(4)
    for bandit in (closed, told):
        for number in range(6):
            bandit.choose(world(number))
    assert closed.close(4) == 4 and closed.pending == (4, 5)
    for number in range(4):
        told.reward(number, 0.0)
    assert np.array_equal(closed.estimate(world(0))[1], told.estimate(world(0))[1])


def test_rewards_twice_unknown_or_infinite_are_refused():
    bandit = LinearBandit(4)
    bandit.choose(world(0))
    with pytest.raises(InputError, match="finite"):
        bandit.reward(0, float("nan"))
    bandit.reward(0, 1.0)
    with pytest.raises(InputError, match="rewarded once"):
        bandit.reward(0, 1.0)
    with pytest.raises(InputError, match="Choice 9"):
        bandit.reward(9, 1.0)


def test_features_that_do_not_fit_are_refused():
    bandit = LinearBandit(4)
    for wrong in (np.zeros((0, 4)), np.zeros((2, 3)), np.zeros(4)):
        with pytest.raises(InputError, match="shape"):
            bandit.choose(wrong)
    with pytest.raises(InputError, match="candidate 1"):
        bandit.choose(np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]]))
    with pytest.raises(ConfigError, match="did you mean 'thompson'"):
        BanditConfig(policy="tompson")
    with pytest.raises(ConfigError, match="temperature"):
        BanditConfig(temperature=0)


def test_crossed_features_hold_context_candidate_and_their_products():
    found = crossed([2.0, 3.0], np.array([[5.0], [7.0]]))
    assert found.tolist() == [[1, 5, 2, 10, 3, 15], [1, 7, 2, 14, 3, 21]]


def test_the_log_of_a_learning_bandit_tells_what_another_policy_earns():
    _, _, log = played("thompson", choices=800, floor=0.3)
    target = np.tile([0.7, 0.1, 0.1, 0.1], (800, 1))
    truths = [np.clip(world(n) @ TRUE, 0, 1) @ target[n] for n in range(800)]
    estimates = ips(
        Log(
            np.array([reward for _, reward in log]),
            np.array([decision.chosen for decision, _ in log]),
            np.array([decision.propensity for decision, _ in log]),
            target,
            np.array([decision.propensities for decision, _ in log]),
        ),
        interval="normal",
    )
    errors = (estimates.high - estimates.low) / (2 * 1.96)
    assert abs(estimates.value - np.mean(truths)) < 3.5 * errors
    assert errors < 0.1
