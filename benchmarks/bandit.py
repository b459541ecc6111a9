"""Bandits against uniform choice, and how often off-policy intervals hold the truth.

Simulated worlds, because only there is the truth known: 4 candidates with 4 features, click rates
linear in them; and a log of 400 choices among 3 candidates by a fixed policy.
"""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Figures, arguments, report
from genrec.creatives import off_policy
from genrec.creatives.bandit import BanditConfig, LinearBandit
from genrec.creatives.off_policy import Log, doubly_robust, ips, snips

WEIGHTS = np.array([0.2, 0.5, -0.4, 0.3])
RATES = np.array([[0.1, 0.3, 0.6], [0.5, 0.2, 0.1]])
LOGGING = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
TARGET = np.array([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1]])


def regret(policy: str, seed: int, choices: int) -> float:
    """Mean click rate lost against the best candidate, rewards 20 choices late."""
    generator = np.random.default_rng([seed, 1])
    bandit = LinearBandit(4, BanditConfig(policy=policy, draws=100, seed=seed))
    lost, waiting = 0.0, []
    for _ in range(choices):
        features = np.hstack([np.ones((4, 1)), generator.random((4, 3))])
        rate = np.clip(features @ WEIGHTS, 0, 1)
        decision = bandit.choose(features)
        lost += rate.max() - rate[decision.chosen]
        waiting.append((decision.number, float(generator.random() < rate[decision.chosen])))
        if len(waiting) > 20:
            bandit.reward(*waiting.pop(0))
    return lost / choices


def logged(choices: int, seed: int) -> tuple[Log, np.ndarray]:
    generator = np.random.default_rng([seed, 2])
    kind = generator.integers(0, 2, choices)
    chosen = np.array([generator.choice(3, p=LOGGING[k]) for k in kind])
    rewards = (generator.random(choices) < RATES[kind, chosen]).astype(float)
    odds = LOGGING[kind]
    log = Log(rewards, chosen, odds[np.arange(choices), chosen], TARGET[kind], odds)
    return log, RATES[kind]


def coverage(simulations: int) -> Figures:
    truth = float((RATES * TARGET).sum(axis=1).mean())
    held: dict[str, list[bool]] = {}
    values: dict[str, list[float]] = {}
    for seed in range(simulations):
        log, rates = logged(400, seed)
        found = [
            *(ips(log, interval=kind) for kind in off_policy.INTERVALS),
            *(snips(log, interval=kind) for kind in ("bootstrap", "normal")),
            *(doubly_robust(log, rates, interval=kind) for kind in off_policy.INTERVALS),
        ]
        for one in found:
            held.setdefault(f"{one.method}_{one.interval}", []).append(one.low <= truth <= one.high)
            values.setdefault(one.method, []).append(one.value)
    figures: Figures = {f"coverage_{name}": round(float(np.mean(v)), 3) for name, v in held.items()}
    for method, found_values in values.items():
        figures[f"bias_{method}"] = round(float(np.mean(found_values)) - truth, 5)
        figures[f"deviation_{method}"] = round(float(np.std(found_values)), 4)
    return figures


def main() -> None:
    quick = arguments(__doc__ or "").quick
    seeds, choices, simulations = (3, 500, 100) if quick else (10, 1500, 500)
    off_policy.RESAMPLES = 400
    figures: Figures = {}
    for policy in ("uniform", "softmax", "linucb", "thompson"):
        lost = [regret(policy, seed, choices) for seed in range(seeds)]
        figures[f"regret_{policy}"] = round(float(np.mean(lost)), 4)
        figures[f"regret_{policy}_sd"] = round(float(np.std(lost, ddof=1)), 4)
    figures |= coverage(simulations)
    report(figures, choices=choices, seeds=seeds, logs=simulations, level=0.95, floor=0.05)


if __name__ == "__main__":
    main()
