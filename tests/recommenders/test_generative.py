import json
from dataclasses import replace

import numpy as np
import pytest

from genrec.data.sequences import Sequences
from genrec.decoding.options import DecodeConfig
from genrec.errors import ArtefactError, ConfigError
from genrec.llm.presets import SCRATCH, byte_tokenizer, scratch_model
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.options import GenerativeConfig
from genrec.semantic_ids.index import code_words
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.training.options import SftConfig
from tests.contracts.recommender import ITEMS, RecommenderContract, shop
from tests.own_process import python
from tests.small import next_item, small_catalog, small_dataset, small_index, small_recommender


class Generative(RecommenderContract):
    baskets = False

    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls, tmp_path_factory):
        dataset = shop(baskets=cls.baskets)
        vectors = np.random.default_rng(0).normal(size=(ITEMS, 6)).astype(np.float32)
        index = SemanticIdTokenizer(levels=2, codebook_size=8).fit(dataset.catalog, vectors)
        return GenerativeRecommender.train(
            "tiny",
            dataset,
            index,
            folder=tmp_path_factory.mktemp("fit"),
            adapt="full",
            steps=5,
            batch_size=2,
            row_tokens=64,
            favourites=2,
            history=4,
        )


class TestGenerative(Generative):
    pass


class TestGenerativeWithBaskets(Generative):
    baskets = True


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> GenerativeRecommender:
    return small_recommender(
        tmp_path_factory.mktemp("fit"), steps=150, warmup_steps=10, log_every=50
    )


def test_a_rule_of_the_histories_is_learned(trained):
    histories = small_dataset(50, seed=9).sequences.last(2)
    best = trained.rank(histories, 1).items[:, 0]
    expected = [next_item(int(history.items[-1])) for history in histories]
    assert np.mean(best == expected) > 0.9


def test_every_generated_item_is_real_and_distinct(trained):
    ranking = trained.rank(small_dataset(50).sequences, 20)
    assert ((ranking.items >= 0) & (ranking.items < 60)).all()
    assert all(len(set(row)) == 20 for row in ranking.items.tolist())


def test_how_ids_are_chosen_may_change_after_training(trained, tmp_path):
    trained.save(tmp_path / "model")
    other = GenerativeRecommender.load(tmp_path / "model", trained.catalog)
    histories = small_dataset(20).sequences
    best = trained.rank(histories, 20).items
    other.decode_by(DecodeConfig(exact=True))
    assert other.beams == 0
    assert np.array_equal(other.rank(histories, 1).items, best[:, :1])
    other.decode_by(DecodeConfig(strategy="sample", temperature=3.0))
    drawn = other.rank(histories, 20).items
    assert not np.array_equal(drawn, best)
    assert all(len(set(row)) == 20 for row in drawn.tolist())


def test_a_saved_recommender_ranks_as_before(trained, tmp_path):
    trained.save(tmp_path / "model")
    loaded = GenerativeRecommender.load(tmp_path / "model", small_catalog())
    histories = small_dataset(10).sequences
    before, after = trained.rank(histories, 5), loaded.rank(histories, 5)
    np.testing.assert_array_equal(before.items, after.items)
    np.testing.assert_allclose(before.scores, after.scores, atol=1e-5)


def test_chances_among_legal_codes_are_learned_saved_and_sum_to_one(tmp_path):
    trained = small_recommender(tmp_path / "fit", steps=20, normalise="legal", label_smoothing=0.1)
    trained.save(tmp_path / "model")
    loaded = GenerativeRecommender.load(tmp_path / "model", small_catalog())
    ranking = loaded.rank(small_dataset(10).sequences, 60)
    np.testing.assert_allclose(np.exp(ranking.scores).sum(axis=1), 1, atol=1e-4)
    other = trained.rank(small_dataset(10).sequences, 60)
    np.testing.assert_allclose(ranking.scores, other.scores, atol=1e-5)


def test_another_way_to_normalise_is_refused_by_its_name():
    with pytest.raises(ConfigError, match="No way to normalise 'leagl'.*legal"):
        SftConfig(normalise="leagl")


def test_a_saved_recommender_is_refused_when_a_weight_changed(trained, tmp_path):
    folder = tmp_path / "model"
    trained.save(folder)
    weights = folder / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(ArtefactError, match="changed or truncated"):
        GenerativeRecommender.load(folder, small_catalog())


def test_a_saved_recommender_is_refused_for_another_catalogue(trained, tmp_path):
    trained.save(tmp_path / "model")
    with pytest.raises(ConfigError, match="catalogue 59"):
        GenerativeRecommender.load(tmp_path / "model", small_catalog(59))


def test_an_index_of_other_sizes_is_refused(trained):
    other = small_index(levels=2, codebook_size=16)
    with pytest.raises(ConfigError, match=r"\(16, 16\)"):
        GenerativeRecommender(trained.backbone, small_catalog(), other, trained.config)


def test_an_unknown_option_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="lora_rank"):
        small_recommender(tmp_path, lora_rnk=3)


def test_options_reach_the_part_they_belong_to():
    config = GenerativeConfig().with_options(lora_rank=3, history=7, steps=9, row_tokens=64)
    found = (config.backbone.lora_rank, config.prompt.history, config.fit.steps)
    assert found == (3, 7, 9)
    assert config.sft.row_tokens == 64


def test_every_token_knows_titles_of_its_items():
    index = small_index()
    words = code_words(index, small_catalog(), each=1000)
    for row, tokens in enumerate(index.token_numbers.tolist()):
        assert all(f"thing {row}" in words[token] for token in tokens)


KILLED = """
import os, signal, sys
from tests.small import small_recommender, small_dataset
from genrec.recommenders import generative

fit = generative.fit
def until(*args, **kwargs):
    def progress(step, steps, loss):
        if step == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    return fit(*args, **{**kwargs, "progress": progress})
generative.fit = until
recommender = small_recommender(sys.argv[1], steps=12, checkpoint_every=3, log_every=1)
print(recommender.fitted.losses)
"""


@pytest.mark.slow
def test_a_checkpoint_of_other_semantic_ids_is_not_gone_on_from(tmp_path):
    index = small_index()
    other = replace(index, codes=index.codes[::-1].copy())

    def losses(ids, folder):
        found = GenerativeRecommender.train(
            "tiny",
            small_dataset(20),
            ids,
            folder=folder,
            adapt="full",
            batch_size=2,
            row_tokens=128,
            steps=2,
            checkpoint_every=1,
            log_every=1,
        )
        return found.fitted.losses

    first = losses(index, tmp_path / "one")
    assert losses(index, tmp_path / "one") == first
    again = losses(other, tmp_path / "one")
    assert again == losses(other, tmp_path / "another")
    assert again != first


@pytest.mark.slow
def test_a_checkpoint_of_another_llm_in_the_same_folder_is_not_gone_on_from(tmp_path):
    def losses(folder):
        found = GenerativeRecommender.train(
            str(tmp_path / "llm"), small_dataset(20), small_index(), folder=folder, adapt="full",
            batch_size=2, row_tokens=128, steps=2, checkpoint_every=1, log_every=1,
        )  # fmt: skip
        return found.fitted.losses

    def put(seed):
        tokenizer = byte_tokenizer()
        tokenizer.save_pretrained(tmp_path / "llm")
        model = scratch_model(SCRATCH["tiny"], len(tokenizer), seed=seed, attention_dropout=0.0)
        model.save_pretrained(tmp_path / "llm")

    put(seed=0)
    first = losses(tmp_path / "one")
    assert losses(tmp_path / "one") == first
    put(seed=1)
    again = losses(tmp_path / "one")
    assert again != first
    assert again == losses(tmp_path / "another")


def test_a_training_killed_in_the_middle_resumes_with_the_same_losses(tmp_path, repository):
    def losses(folder, step=0):
        with python(repository, KILLED, str(folder), str(step)) as process:
            assert process.wait() == (-9 if step else 0), process.stderr
            return process.stdout

    whole = losses(tmp_path / "whole")
    assert losses(tmp_path / "killed", 8) == ""
    assert json.loads(losses(tmp_path / "killed")) == json.loads(whole)


def test_a_history_without_items_is_answered(trained):
    ranking = trained.rank(Sequences.of([[]]), 5)
    assert (ranking.items >= 0).all()
