"""Randomised tests of made-up copy whose clicks follow known words, and a small encoder."""

import hashlib

import numpy as np
import polars as pl

from genrec.data.copy_tests import copy_tests
from genrec.data.rows import TABLE_ROWS

NOUNS = "bread milk soap lamp chair piano kettle rug tea rope".split()
EFFECTS = {"fresh": 0.6, "cheap": 0.3, "plain": -0.3, "dull": -0.6, "large": 0.0, "grey": 0.0}


class LetterEncoder:
    """Vectors that count letters: fast, the same everywhere, and of little use for ranking."""

    def __init__(self, dimensions=8):
        self.dimensions = dimensions
        self.fingerprint = f"letters-{dimensions}"

    def encode_texts(self, texts):
        found = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            for letter in text.lower():
                found[row, ord(letter) % self.dimensions] += 1
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def clicks_table(tests=400, *, spread=0.05, shown=3000, seed=0):
    """Four texts of a noun and two words in each test; words change the odds of a click."""
    generator = np.random.default_rng(seed)
    words = list(EFFECTS)
    rows = []
    for test in range(tests):
        level = -3.5 + generator.normal() * 0.4
        pairs = {tuple(sorted(generator.choice(words, 2, replace=False))) for _ in range(12)}
        for first, second in sorted(pairs)[:4]:
            odds = level + EFFECTS[first] + EFFECTS[second] + generator.normal() * spread**0.5
            count = generator.binomial(shown, 1 / (1 + np.exp(-odds)))
            noun = f"{NOUNS[test % len(NOUNS)]} {hashlib.sha256(b'%d' % test).hexdigest()[:6]}"
            rows.append((f"t{test}", f"{first} {second} {noun}", shown, int(count)))
    return pl.DataFrame(rows, schema=["test", "text", "impressions", "clicks"], orient="row")


def clicks(tests=400, **options):
    return copy_tests(clicks_table(tests, **options), rows=TABLE_ROWS, name="made up")
