from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, SequentialSampler

from genrec.errors import ConfigError
from genrec.training.fit import fit
from genrec.training.options import FitConfig
from genrec.training.together import Parts
from tests.training import in_company
from tests.training.in_company import STEPS, stop, told, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("company")


@pytest.fixture(scope="module")
def alone(folder):
    return told(train(folder / "one"))


@pytest.fixture(scope="module")
def together(folder):
    stop(folder / "one-then-two")
    return in_company.together(folder)


@pytest.mark.parametrize("how", ["whole", "sharded", "one-then-two"])
def test_two_processes_learn_what_one_does(alone, together, how):
    two = together[how]
    assert two["steps"] == STEPS
    np.testing.assert_allclose(two["losses"], alone["losses"], atol=1e-4)
    np.testing.assert_allclose(two["metrics"], alone["metrics"], atol=1e-4)
    np.testing.assert_allclose(two["scores"], alone["scores"], atol=1e-3)


def test_what_two_processes_began_one_ends(alone, together, folder):
    begun = folder / "sharded-then-one"
    assert [path.name for path in begun.glob("checkpoint-*")] == ["checkpoint-2"]
    seen = []
    one = told(train(begun, progress=seen.append))
    assert seen == [3, 4]
    np.testing.assert_allclose(one["losses"], alone["losses"], atol=1e-4)
    np.testing.assert_allclose(one["scores"], alone["scores"], atol=1e-3)


def test_a_process_that_left_its_company_trains_alone(alone, together):
    assert together["after"]["count"] == 1
    assert together["after"]["losses"] == alone["losses"]


def test_a_checkpoint_of_a_sharded_training_holds_whole_weights_and_moments(together, folder):
    assert together
    one, parts = (
        {p.name for p in (folder / name / "checkpoint-4").iterdir()} for name in ("one", "sharded")
    )
    assert parts - one == {"random_1.json", "random_1.safetensors"}
    assert one <= parts


@given(rows=st.integers(1, 40), share=st.integers(1, 5), count=st.integers(1, 5))
def test_the_parts_of_all_processes_are_the_batches_of_one(rows, share, count):
    batches = BatchSampler(SequentialSampler(range(rows)), share * count, drop_last=False)
    parts = [list(Parts(batches, None, rank, count)) for rank in range(count)]
    assert {len(mine) for mine in parts} == {len(batches)}
    for number, batch in enumerate(batches):
        held = [mine[number] for mine in parts]
        assert sorted(row for part in held for row in part) == batch
        assert max(map(len, held)) - min(map(len, held)) <= 1


def several(monkeypatch, count=2):
    values = {"WORLD_SIZE": count, "RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))


def try_to_fit(tmp_path, batch_size=4, **options):
    model = torch.nn.Linear(1, 1)
    fit(
        model,
        [torch.ones(1)] * 8,
        collate=lambda rows: {"x": torch.stack(rows)},
        loss=lambda model, batch: model(batch["x"]).mean(),
        config=FitConfig(steps=1, batch_size=batch_size),
        folder=tmp_path,
        **options,
    )


def test_a_batch_that_cannot_be_divided_is_refused(tmp_path, monkeypatch):
    several(monkeypatch, count=3)
    with pytest.raises(ConfigError, match=r"batch_size is 4 .* by 3 processes.*batch_size=3 or 6"):
        try_to_fit(tmp_path, targets=lambda batch: len(batch["x"]))


def test_a_loss_that_does_not_say_what_it_is_the_mean_of_is_not_shared(tmp_path, monkeypatch):
    several(monkeypatch)
    with pytest.raises(ConfigError, match="cannot be shared by 2 processes"):
        try_to_fit(tmp_path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"FSDP_VERSION": "1"}, "fsdp_version must be 2"),
        ({"FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"}, "fsdp_offload_params must be false"),
    ],
)
def test_a_sharding_that_is_not_done_here_is_refused(tmp_path, monkeypatch, asked, message):
    several(monkeypatch)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        try_to_fit(tmp_path, targets=lambda batch: len(batch["x"]))
