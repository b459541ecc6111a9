import numpy as np
import pytest

from genrec.evaluation.probes import colour_histogram, majority, probe, raw_pixels


def clusters(count, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=count)
    centres = np.array([[4, 0, 0, 0], [0, 4, 0, 0], [0, 0, 4, 0.0]])
    return centres[labels] + generator.normal(size=(count, 4)), [f"c{label}" for label in labels]


def test_a_probe_reads_what_is_linear():
    train, known = clusters(300, 0)
    test, wanted = clusters(200, 1)
    assert probe(train, known, test, wanted).accuracy > 0.95


def test_a_probe_of_noise_is_no_better_than_the_most_frequent_value():
    generator = np.random.default_rng(0)
    known = generator.choice(["a", "b"], 400, p=[0.5, 0.5])
    wanted = generator.choice(["a", "b"], 400, p=[0.5, 0.5])
    found = probe(generator.normal(size=(400, 5)), known, generator.normal(size=(400, 5)), wanted)
    assert found.accuracy == pytest.approx(0.5, abs=0.1)
    assert majority(["a", "a", "b"], ["a", "b", "b", "c"]) == 0.25


def test_values_that_training_does_not_know_are_missed():
    train, known = clusters(300, 0)
    test, wanted = clusters(100, 1)
    half = [value if row % 2 else "new" for row, value in enumerate(wanted)]
    assert probe(train, known, test, half).accuracy <= 0.5


def test_a_histogram_counts_colours_wherever_they_stand():
    pixels = np.zeros((2, 3, 4, 4), np.uint8)
    pixels[:, 0, 0, :] = 255
    pixels[1] = pixels[1, :, ::-1]
    found = colour_histogram(pixels)
    assert np.array_equal(found[0], found[1])
    assert found[0][[0, 5 * 36]] ** 2 == pytest.approx([0.75, 0.25])


def test_raw_pixels_are_means_of_cells():
    pixels = np.zeros((1, 3, 32, 32), np.uint8)
    pixels[0, 0, :2, :2] = [[0, 255], [255, 0]]
    found = raw_pixels(pixels)
    assert found.shape == (1, 768)
    assert found[0, 0] == pytest.approx(0.5) and found[0, 1:].max() == 0
