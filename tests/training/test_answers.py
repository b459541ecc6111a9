import numpy as np
import torch
from torch.nn import functional

from genrec.llm.text_transformers import TransformersText
from genrec.training.answers import IGNORED, Answered, answer_loss, collate_answers, train_answers
from genrec.training.options import FitConfig
from tests.small_chat import write_chat_model

ROWS = [
    Answered(np.array([5, 6, 7, 8, 9], np.int64), 2),
    Answered(np.array([5, 6, 9], np.int64), 1),
]


def test_only_answers_are_targets():
    batch = collate_answers(ROWS)
    assert batch["targets"].tolist() == [
        [IGNORED, IGNORED, IGNORED, 8, 9],
        [IGNORED, IGNORED, 9, IGNORED, IGNORED],
    ]
    assert batch["real"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]


def test_the_loss_is_that_of_each_answer_s_tokens_alone(tmp_path):
    model = TransformersText(write_chat_model(tmp_path), device="cpu").model
    losses = []
    for row in ROWS:
        table = model(torch.from_numpy(row.tokens)[None]).logits[0, :-1]
        wanted = torch.from_numpy(row.tokens)[1:]
        losses += functional.cross_entropy(table, wanted, reduction="none")[-row.said :].tolist()
    found = answer_loss(model, collate_answers(ROWS))
    assert abs(float(found) - float(np.mean(losses))) < 1e-4


def test_training_makes_an_answer_likelier(tmp_path):
    model = TransformersText(write_chat_model(tmp_path / "chat"), device="cpu").model
    before = float(answer_loss(model, collate_answers(ROWS)))
    config = FitConfig(steps=8, batch_size=2, learning_rate=1e-2)
    train_answers(model, ROWS, config=config, folder=tmp_path / "fit", job="x")
    assert float(answer_loss(model, collate_answers(ROWS))) < before - 0.5
