import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from genrec.data.sequences import Sequences
from genrec.decoding.options import DecodeConfig
from genrec.errors import ArtefactError, ConfigError
from genrec.recommenders.history_prompt import HistoryPrompt
from genrec.recommenders.one_pass import ABOUT, HEADS, OnePassRecommender
from genrec.recommenders.one_pass_network import FIRST_ITEM
from genrec.recommenders.options import OnePassConfig
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.training.options import SftConfig
from genrec.training.packing import TokenRow, collate_packed
from tests.contracts.recommender import ITEMS, RecommenderContract, shop
from tests.small import next_item, small_catalog, small_dataset, small_vectors


def unordered_index(catalog, vectors, levels=4):
    return SemanticIdTokenizer(quantizer="opq", levels=levels, codebook_size=8).fit(
        catalog, vectors
    )


class OnePass(RecommenderContract):
    baskets = False
    one_pass = OnePassConfig(temperature=0.1)

    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls, tmp_path_factory):
        dataset = shop(baskets=cls.baskets)
        vectors = np.random.default_rng(0).normal(size=(ITEMS, 8)).astype(np.float32)
        return OnePassRecommender.train(
            "tiny",
            dataset,
            unordered_index(dataset.catalog, vectors),
            one_pass=cls.one_pass,
            folder=tmp_path_factory.mktemp("fit"),
            adapt="full",
            steps=5,
            batch_size=2,
            row_tokens=64,
            favourites=2,
            history=4,
        )


class TestOnePass(OnePass):
    pass


class TestOnePassWithBaskets(OnePass):
    baskets = True


class TestOnePassAlongTheGraph(OnePass):
    one_pass = OnePassConfig(temperature=0.1, exact_items=0, neighbours=4)


def small_one_pass(folder, *, steps, **options):
    data = small_dataset()
    return OnePassRecommender.train(
        "tiny",
        data,
        unordered_index(data.catalog, small_vectors()),
        one_pass=OnePassConfig(temperature=0.1, dropout=0.0),
        folder=folder,
        steps=steps,
        **{"adapt": "full", "batch_size": 4, "row_tokens": 128, "learning_rate": 3e-3, **options},
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return small_one_pass(tmp_path_factory.mktemp("fit"), steps=150, warmup_steps=10)


def test_a_rule_of_the_histories_is_learned(trained):
    histories = small_dataset(50, seed=9).sequences.last(2)
    best = trained.rank(histories, 1).items[:, 0]
    expected = [next_item(int(history.items[-1])) for history in histories]
    assert np.mean(best == expected) > 0.9


def test_scores_are_the_summed_log_probabilities_of_the_codes(trained):
    network, history = trained.network, Sequences.of([[4, 31]])
    tokens = torch.tensor([trained.prompt.tokens(history[0])])
    with torch.inference_mode():
        mask = torch.ones_like(tokens)
        hidden = network.hidden_states(input_ids=tokens, attention_mask=mask)
        state = hidden.last_hidden_state[0, -1]
        levels = [torch.log_softmax(network.level_logits(state, n), -1) for n in range(4)]
    ranking = trained.rank(history, 60)
    for item, score in zip(ranking.items[0], ranking.scores[0], strict=True):
        summed = sum(float(levels[n][code]) for n, code in enumerate(trained.index.codes[item]))
        assert score == pytest.approx(summed, abs=1e-4)


def test_an_item_of_the_history_is_one_token(trained):
    tokens = trained.prompt.tokens(Sequences.of([[4, 31, 8]])[0])
    assert [token - FIRST_ITEM for token in tokens if token >= FIRST_ITEM] == [4, 31, 8]


def test_a_prompt_without_words_is_one_token_for_each_item_and_an_opening(trained):
    bare = replace(trained.config.prompt, template="recommend/continue_history")
    prompt = HistoryPrompt(bare, trained.network, trained.prompt.index)
    tokens = prompt.tokens(Sequences.of([[4, 31, 8]])[0])
    assert tokens == [1, FIRST_ITEM + 4, FIRST_ITEM + 31, FIRST_ITEM + 8]


def test_an_item_is_read_as_the_sum_of_its_codes(trained):
    network = trained.network
    codes = network.backbone.token_ids[network.codes[7]]
    table = network.backbone.embed(codes)
    own = network.embed(torch.tensor([[FIRST_ITEM + 7]]))[0, 0]
    torch.testing.assert_close(own, table.sum(0) / 2)


def packed(rows):
    made = []
    for items in rows:
        tokens = FIRST_ITEM + np.array(items, np.int64)
        made.append(TokenRow(tokens, np.zeros(len(items), np.int64), np.array(items, np.int64)))
    return made


def test_the_packed_loss_is_that_of_the_rows_alone(trained):
    rows = [[1, 5, 9], [7, 3], [2, 2, 8, 4]]
    network = trained.network.eval()
    with torch.no_grad():
        together = network.loss(collate_packed([packed(rows)]), SftConfig())
        alone = [network.loss(collate_packed([packed([row])]), SftConfig()) for row in rows]
    targets = [len(row) - 1 for row in rows]
    mean = sum(float(loss) * count for loss, count in zip(alone, targets, strict=True))
    assert float(together) == pytest.approx(mean / sum(targets), abs=1e-4)


def test_every_position_and_every_level_is_supervised(trained):
    network = trained.network.eval()
    items = [1, 5, 9]
    with torch.no_grad():
        loss = float(network.loss(collate_packed([packed([items])]), SftConfig()))
        tokens = FIRST_ITEM + torch.tensor([items])
        hidden = network.hidden_states(
            input_ids=tokens, attention_mask=torch.ones_like(tokens)
        ).last_hidden_state[0]
        by_hand = [
            functional.cross_entropy(
                network.level_logits(hidden[place], level),
                torch.tensor(int(trained.index.codes[items[place + 1], level])),
            )
            for place in range(2)
            for level in range(4)
        ]
    assert loss == pytest.approx(float(torch.stack(by_hand).mean()), abs=1e-4)


def test_logits_are_cosines_over_the_temperature(trained):
    state = torch.randn(3, 128)
    for level in range(4):
        assert trained.network.level_logits(state, level).abs().max() <= 1 / 0.1 + 1e-4


def test_the_graph_finds_what_exact_scoring_finds(trained, tmp_path):
    trained.save(tmp_path / "it")
    about = json.loads((tmp_path / "it" / ABOUT).read_text())
    assert about["one_pass"]["exact_items"] == 200_000
    along = OnePassRecommender(
        trained.backbone,
        trained.catalog,
        trained.index,
        trained.config,
        replace(trained.one_pass, exact_items=10),
    )
    along.network.load_state_dict(trained.network.state_dict())
    assert along.beams == trained.config.decode.beams
    histories = small_dataset(20, seed=3).sequences
    exact, found = trained.rank(histories, 5), along.rank(histories, 5)
    assert np.mean(exact.items == found.items) > 0.95
    along.decode_by(DecodeConfig(exact=True))
    assert along.beams == 0
    np.testing.assert_array_equal(along.rank(histories, 5).items, exact.items)


def test_stored_and_loaded_it_answers_the_same(trained, tmp_path):
    trained.save(tmp_path / "it")
    again = OnePassRecommender.load(tmp_path / "it", trained.catalog)
    histories = small_dataset(20, seed=3).sequences
    np.testing.assert_array_equal(trained.rank(histories, 5).items, again.rank(histories, 5).items)
    (tmp_path / "it" / HEADS).write_bytes(b"short")
    with pytest.raises(ArtefactError):
        OnePassRecommender.load(tmp_path / "it", trained.catalog)


def test_another_catalogue_is_refused(trained, tmp_path):
    trained.save(tmp_path / "it")
    with pytest.raises(ConfigError, match="catalogue 20"):
        OnePassRecommender.load(tmp_path / "it", small_catalog(20))


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    class Killed(Exception):
        pass

    def kill(step, steps, loss):
        if step == 6:
            raise Killed

    whole = small_one_pass(tmp_path / "whole", steps=8, checkpoint_every=2)
    with pytest.raises(Killed):
        small_one_pass(tmp_path / "cut", steps=8, checkpoint_every=2, progress=kill)
    again = small_one_pass(tmp_path / "cut", steps=8, checkpoint_every=2)
    torch.testing.assert_close(again.network.heads, whole.network.heads)
    histories = small_dataset(10, seed=3).sequences
    np.testing.assert_array_equal(again.rank(histories, 9).items, whole.rank(histories, 9).items)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"adapt": "prompt"}, "llm.adapt"),
        ({"adapt": "mixture", "group_by": "user_id"}, "group_by"),
        ({"strategy": "diverse"}, "strategy"),
        ({"steps": 2, "warm_rows_steps": 1}, "train.warm_rows_steps"),
        ({"adapt": "lora", "rows_learning_rate": 1e-2}, "train.rows_learning_rate"),
    ],
)
def test_what_only_ordered_generation_can_do_is_refused(tmp_path, options, named):
    with pytest.raises(ConfigError, match=named):
        small_one_pass(tmp_path, **{"steps": 1, **options})


@pytest.mark.parametrize("options", [{"temperature": 0}, {"dropout": 1.0}, {"neighbours": 0}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ConfigError):
        OnePassConfig(**options)
