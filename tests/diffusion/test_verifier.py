import json
from dataclasses import replace

import numpy as np
import pytest

from genrec.data.toy_pictures import COLOURS, PATTERNS, draw
from genrec.diffusion.picture import PictureJob
from genrec.diffusion.small import TOY, model_place
from genrec.diffusion.verifier import FOLDER, Verifier
from genrec.encoders.palette import palette_vector
from genrec.errors import ArtefactError, InputError

LOOKS = [(colour, pattern) for colour in list(COLOURS)[:3] for pattern in PATTERNS]
JOB = PictureJob("a mug", seed=0)


def taste_of(*pictures):
    vectors = np.stack([palette_vector(one) for one in pictures])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)


def mug(colour, pattern, seed):
    return np.asarray(draw("mug", colour, pattern, seed=seed, side=64))


@pytest.fixture(scope="module")
def verifier():
    pictures = [mug(*look, seed) for seed in range(4) for look in LOOKS]
    colours, patterns = zip(*(LOOKS * 4), strict=True)
    return Verifier.fit(pictures, {"colour": colours, "pattern": patterns})


def test_it_reads_what_new_pictures_show(verifier):
    right = []
    for look in LOOKS:
        job = PictureJob(f"a {look[0]} mug, {look[1]}", seed=0)
        fits = [verifier.scores(mug(*shown, 90), job).mean() for shown in LOOKS]
        right.append(LOOKS[int(np.argmax(fits))] == look)
    assert np.mean(right) > 0.9


def test_a_taste_counts_for_what_the_words_leave_open(verifier):
    first, second = LOOKS[0], LOOKS[-1]
    taste = taste_of(*(mug(*first, seed) for seed in (50, 51, 52)))
    own, other = (
        verifier.scores(mug(*look, 80), replace(JOB, taste=taste)) for look in (first, second)
    )
    assert own.min() > 0.9
    assert (own > other).all()
    told = replace(JOB, prompt=f"a {second[0]} mug", taste=taste)
    assert verifier.scores(mug(second[0], first[1], 80), told).min() > 0.9


def test_of_a_mixed_taste_the_commonest_value_fits_best(verifier):
    colours = [colour for colour, _ in LOOKS[:: len(PATTERNS)]]
    for pattern in PATTERNS:
        others = [one for one in PATTERNS if one != pattern]
        shown = [mug(colour, pattern, 60) for colour in colours]
        shown += [mug(colours[0], one, 61) for one in others[:2]]
        job = replace(JOB, taste=taste_of(*shown))
        fits = {one: verifier.scores(mug(colours[0], one, 70), job)[1] for one in PATTERNS}
        assert max(fits, key=fits.__getitem__) == pattern


def test_without_words_and_taste_everything_fits(verifier):
    assert verifier.scores(mug(*LOOKS[0], 1), JOB).tolist() == [1.0, 1.0]
    taste = taste_of(mug(*LOOKS[0], 1))
    untold = replace(JOB, taste=taste, intensity=0.0)
    assert verifier.scores(mug(*LOOKS[5], 1), untold).tolist() == [1.0, 1.0]


def test_a_taste_of_another_encoder_is_not_read(verifier):
    other = replace(JOB, taste=np.ones(5, np.float32))
    assert verifier.scores(mug(*LOOKS[0], 1), other).tolist() == [1.0, 1.0]


def test_a_value_within_another_word_is_not_named(verifier):
    colour = LOOKS[0][0]
    hidden = replace(JOB, prompt=f"a {colour}ish mug")
    assert verifier.scores(mug(*LOOKS[-1], 1), hidden).tolist() == [1.0, 1.0]


def test_details_of_two_values_and_unknown_ones_are_learned_from():
    pictures = [mug(colour, "plain", seed) for seed in range(4) for colour in ("red", "blue")]
    learned = Verifier.fit(
        [*pictures, pictures[0]], {"colour": ["red", "blue"] * 4 + [""], "size": ["big"] * 9}
    )
    assert learned.values == {"colour": ("blue", "red")}
    job = PictureJob("a red mug", seed=0)
    assert learned.scores(mug("red", "plain", 9), job)[0] > 0.9
    assert learned.scores(mug("blue", "plain", 9), job)[0] < 0.1


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"colour": ["", ""]},
        {"colour": ["red", ""]},
        {"colour": ["Red", "Blue"]},
        {"colour": ["red", "red"]},
    ],
)
def test_tastes_of_items_of_which_a_detail_is_unknown_are_read_by_the_pictures(known):
    pictures = [mug(colour, "plain", seed) for seed in range(4) for colour in ("red", "blue")]
    learned = Verifier.fit(
        pictures,
        {"colour": ["red", "blue"] * 4},
        vectors=np.stack([palette_vector(one) for one in pictures[:2]]),
        vector_details=known,
    )
    likes_red = replace(JOB, taste=taste_of(mug("red", "plain", 9)), intensity=1.0)
    red, blue = (learned.scores(mug(c, "plain", 8), likes_red)[0] for c in ("red", "blue"))
    assert red > 0.9
    assert blue < 0.1


def test_where_nothing_differs_there_is_nothing_to_learn():
    with pytest.raises(InputError, match="no detail has two values"):
        Verifier.fit([mug(*LOOKS[0], 1)] * 3, {"colour": ["red"] * 3})


def test_what_was_saved_is_read_again(verifier, tmp_path):
    verifier.save(tmp_path / "v")
    again = Verifier.load(tmp_path / "v")
    job = PictureJob("a red mug, dots", seed=0)
    for look in LOOKS:
        pixels = mug(*look, 7)
        np.testing.assert_allclose(verifier.scores(pixels, job), again.scores(pixels, job), 1e-5)


@pytest.mark.parametrize("damage", ["missing", "truncated", "other shape", "no json"])
def test_a_damaged_verifier_is_refused(verifier, tmp_path, damage):
    verifier.save(tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-40])
    elif damage == "other shape":
        said = json.loads(config.read_text())
        said["values"]["colour"].append("mauve")
        config.write_text(json.dumps(said))
    else:
        config.write_text("{")
    with pytest.raises(ArtefactError, match="no verifier that can be read"):
        Verifier.load(tmp_path)


def test_the_shipped_model_has_one_for_colours_and_patterns():
    from pathlib import Path

    shipped = Verifier.load(Path(model_place(TOY)) / FOLDER)
    assert set(shipped.values) == {"colour", "pattern"}
    assert set(shipped.values["pattern"]) == set(PATTERNS)
