from dataclasses import replace

import numpy as np
import pytest

from genrec.errors import ConfigError
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.instruction import InstructionTask, search_instruction
from tests.small import small_dataset, small_recommender


@pytest.fixture(scope="module")
def recommender(tmp_path_factory) -> GenerativeRecommender:
    return small_recommender(tmp_path_factory.mktemp("fit"), steps=60)


def histories(start: int, stop: int):
    return small_dataset().sequences.take(np.arange(start, stop))


def test_the_search_beats_its_start_and_a_random_search(recommender):
    found = search_instruction(
        recommender, histories(0, 24), histories(24, 48), start="Choose next", evaluations=80
    )
    assert found.loss["found"] < found.loss["start"]
    assert found.loss["found"] < found.loss["random"]
    assert set(found.held_out) == {"found", "random", "start", "none"}
    assert found.evaluations <= 80


def test_the_text_found_gives_the_loss_that_was_reported(recommender):
    found = search_instruction(
        recommender, histories(0, 8), histories(8, 16), start="Choose", evaluations=40
    )
    again = InstructionTask(recommender, histories(0, 8), found.text)
    assert again.loss(again.start) == pytest.approx(found.loss["found"], abs=1e-6)


def test_the_gradient_is_that_of_the_loss(recommender):
    task = InstructionTask(recommender, histories(0, 6), "ab")
    gradient = task.gradient(task.start)
    # Along a small step in the embeddings: the first token moved towards another.
    import torch

    from genrec.llm.backbone import base

    table = base(recommender.backbone.model).get_input_embeddings().weight
    other = int(task.vocabulary[5])
    assert other not in task.start
    kept = table[task.start[0]].detach().clone()
    step = 1e-3
    with torch.no_grad():
        before = task.loss(task.start)
        table[task.start[0]] = kept + step * (table[other] - kept)
        after = task.loss(task.start)
        table[task.start[0]] = kept
    predicted = gradient[0, other] - gradient[0, task.start[0]]
    assert (after - before) / step == pytest.approx(predicted, rel=0.1, abs=5e-3)


def test_the_llm_stays_as_it_is(recommender):
    before = {n: p.detach().clone() for n, p in recommender.backbone.named_parameters()}
    search_instruction(recommender, histories(0, 4), histories(4, 8), start="ab", evaluations=20)
    for name, values in recommender.backbone.named_parameters():
        assert values.equal(before[name])
        assert values.grad is None


def test_an_instruction_stands_in_front_of_the_prompt(recommender):
    config = replace(
        recommender.config, prompt=replace(recommender.config.prompt, instruction="Hi")
    )
    told = GenerativeRecommender(
        recommender.backbone, recommender.catalog, recommender.index, config
    )
    history = small_dataset().sequences[0]
    text = recommender.backbone.text_tokenizer.decode(told.prompt.tokens(history))
    plain = recommender.backbone.text_tokenizer.decode(recommender.prompt.tokens(history))
    assert text == plain.replace("<bos>", "<bos>Hi\n")


def test_a_start_that_is_not_read_back_is_refused(recommender):
    with pytest.raises(ConfigError, match="read back"):
        InstructionTask(recommender, histories(0, 4), "one line\nand another")


def test_a_long_instruction_needs_no_longer_rows_than_the_run_was_trained_with(recommender):
    start = ("choose next " * 40).strip()
    task = InstructionTask(recommender, histories(0, 4), start)
    assert len(task.start) > recommender.config.sft.row_tokens
    assert np.isfinite(task.loss(task.start))
