import numpy as np
import pytest

from genrec.creatives.off_policy import Log, doubly_robust, ips, snips
from genrec.errors import ConfigError, InputError

RATES = np.array([[0.1, 0.3, 0.6], [0.5, 0.2, 0.1]])
LOGGING = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
TARGET = np.array([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1]])
TRUTH = float((RATES * TARGET).sum(axis=1).mean())


def simulated(choices, seed, *, logging=LOGGING):
    """Choices of two kinds of visitors, half each, with known click rates."""
    generator = np.random.default_rng(seed)
    kind = generator.integers(0, 2, choices)
    odds = logging[kind]
    chosen = (generator.random((choices, 1)) > np.cumsum(odds, axis=1)).sum(axis=1).clip(0, 2)
    rewards = (generator.random(choices) < RATES[kind, chosen]).astype(float)
    propensities = odds[np.arange(choices), chosen]
    return Log(rewards, chosen, propensities, TARGET[kind], odds), RATES[kind]


def by_hand(**changes):
    values = {
        "rewards": np.array([1.0, 0.0, 1.0, 1.0]),
        "chosen": np.array([0, 1, 0, 1]),
        "propensities": np.array([0.5, 0.5, 0.8, 0.2]),
        "target": np.array([[0.75, 0.25], [0.75, 0.25], [0.4, 0.6], [0.4, 0.6]]),
    }
    return Log(**(values | changes))


def test_the_weights_and_estimates_of_four_choices_by_hand():
    log = by_hand()
    assert log.weights.tolist() == pytest.approx([1.5, 0.5, 0.5, 3.0])
    # (1.5 + 0 + .5 + 3) / 4, and over the sum of weights, 5.5.
    assert ips(log).value == pytest.approx(1.25)
    assert snips(log).value == pytest.approx(5 / 5.5)
    # 5.5^2 / (2.25 + .25 + .25 + 9)
    assert ips(log).effective == pytest.approx(30.25 / 11.75)


def test_doubly_robust_by_hand():
    predicted = np.array([[0.5, 0.1], [0.5, 0.1], [0.6, 0.2], [0.6, 0.2]])
    # Predicted under the target .4, .4, .36, .36; corrections 1.5 x .5, .5 x -.1, .5 x .4, 3 x .8.
    wanted = (0.4 + 0.75 + 0.4 - 0.05 + 0.36 + 0.2 + 0.36 + 2.4) / 4
    assert doubly_robust(by_hand(), predicted).value == pytest.approx(wanted)


def test_the_normal_interval_of_four_choices_by_hand():
    terms = np.array([1.5, 0.0, 0.5, 3.0])
    reach = 1.959964 * terms.std(ddof=1) / 2
    found = ips(by_hand(), interval="normal")
    assert (found.low, found.high) == pytest.approx((1.25 - reach, 1.25 + reach), abs=1e-5)


def test_the_bernstein_bound_by_hand():
    log = by_hand()
    found = ips(log, interval="bernstein", smallest_propensity=0.1)
    # Maurer and Pontil for both sides: ln(4 / .05), terms from 0 to 1 / .1.
    term = np.log(80)
    variance = np.array([1.5, 0.0, 0.5, 3.0]).var(ddof=1)
    reach = np.sqrt(2 * variance * term / 4) + 7 * 10 * term / (3 * 3)
    assert found.high - found.value == pytest.approx(reach)


def test_a_target_equal_to_the_logging_policy_earns_the_mean_reward():
    log, predicted = simulated(500, 0)
    same = Log(log.rewards, log.chosen, log.propensities, log.logging)
    for found in (ips(same), snips(same), doubly_robust(same, np.zeros_like(predicted))):
        assert found.value == pytest.approx(log.rewards.mean())
        assert found.effective == pytest.approx(500)


def test_ips_and_doubly_robust_are_unbiased_also_with_wrong_predictions():
    values = {"ips": [], "right": [], "wrong": []}
    for seed in range(400):
        log, predicted = simulated(100, seed)
        values["ips"].append(log.weights @ log.rewards / 100)
        for name, guess in (("right", predicted), ("wrong", 1 - predicted)):
            told = guess[np.arange(100), log.chosen]
            terms = (log.target * guess).sum(axis=1) + log.weights * (log.rewards - told)
            values[name].append(terms.mean())
            if seed == 0:
                assert doubly_robust(log, guess).value == pytest.approx(terms.mean())
    for name, found in values.items():
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - TRUTH) < 4 * error, name
    assert np.std(values["right"]) < np.std(values["ips"])


# A ratio has no Bernstein bound, so snips goes without.
KINDS = [(m, i) for m in ("ips", "snips", "dr") for i in ("normal", "bootstrap", "bernstein")]


@pytest.mark.parametrize(("method", "interval"), [k for k in KINDS if k != ("snips", "bernstein")])
def test_intervals_hold_the_truth_as_often_as_they_say(method, interval, monkeypatch):
    # Percentiles of 200 resamples are rough, and enough to tell .95 from .85.
    monkeypatch.setattr("genrec.creatives.off_policy.RESAMPLES", 200)
    held = []
    for seed in range(200):
        log, predicted = simulated(400, seed)
        if method == "ips":
            found = ips(log, interval=interval)
        elif method == "snips":
            found = snips(log, interval=interval)
        else:
            found = doubly_robust(log, predicted, interval=interval)
        held.append(found.low <= TRUTH <= found.high)
    # 200 draws of .95 have a deviation of .015; Bernstein is wide by design.
    assert np.mean(held) >= 0.9
    if interval != "bernstein":
        assert np.mean(held) <= 0.99


def test_small_propensities_and_few_effective_choices_are_warned_of():
    generator = np.random.default_rng(0)
    rare = np.tile([0.995, 0.005], (300, 1))
    chosen = (generator.random(300) < 0.005).astype(int)
    chosen[0] = 1
    target = np.tile([0.1, 0.9], (300, 1))
    log = Log(np.ones(300), chosen, rare[np.arange(300), chosen], target, rare)
    told = " ".join(ips(log).warnings)
    assert "below 0.01" in told and "largest weight is 180" in told
    assert "tells as much as" in told


def test_candidates_that_were_never_shown_are_warned_of():
    logging = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    log, _ = simulated(300, 1, logging=logging)
    told = " ".join(ips(log).warnings)
    assert "never shows" in told and "mean weight" in told
    # The share of the target's choices that the log is silent about.
    assert f"{1 - log.target[:, 0].mean():.1%}" in told


def test_a_good_log_has_no_warnings():
    log, predicted = simulated(2000, 3)
    assert not ips(log).warnings and not snips(log).warnings
    assert not doubly_robust(log, predicted).warnings


def test_propensities_that_are_not_of_the_choices_are_noticed():
    log, _ = simulated(2000, 5)
    wrong = Log(log.rewards, log.chosen, np.full(2000, 0.9), log.target)
    assert any("mean weight" in warning for warning in ips(wrong).warnings)


def test_all_faults_of_a_log_are_told_at_once():
    with pytest.raises(InputError) as caught:
        by_hand(
            rewards=np.array([1.0, np.nan, 0, 0]),
            propensities=np.array([0.0, 0.5, 1.5, 0.2]),
            chosen=np.array([0, 1, 2, 0]),
            target=np.array([[0.5, 0.4], [1, 0], [1, 0], [1.5, -0.5]]),
        )
    told = "\n".join(caught.value.problems)
    for part in (
        "choice 1: the reward is not finite",
        "choice 0: the propensity",
        "choice 2: the propensity",
        "choice 2: chosen is not among 2",
        "choice 0: the target's probabilities",
        "choice 3: the target's probabilities",
    ):
        assert part in told, part


def test_propensities_that_contradict_the_logging_policy_are_refused():
    logging = np.tile([0.5, 0.5], (4, 1))
    with pytest.raises(InputError, match="choice 2: propensity 0.8, but logging says 0.5"):
        by_hand(logging=logging)


def test_wrong_options_and_ranges_are_refused():
    with pytest.raises(ConfigError, match="normal"):
        ips(by_hand(), interval="normale")
    with pytest.raises(ConfigError, match="Bernstein"):
        snips(by_hand(), interval="bernstein")
    with pytest.raises(InputError, match="true range"):
        ips(by_hand(), interval="bernstein", range_of_rewards=(0, 0.5))
    with pytest.raises(ConfigError, match="smallest_propensity"):
        ips(by_hand(), interval="bernstein", smallest_propensity=0.9)
    with pytest.raises(InputError, match="shape"):
        doubly_robust(by_hand(), np.zeros((4, 3)))
