import json
import os
import shutil
import signal
import threading
from dataclasses import replace

import pytest
import torch
from torch import nn

from genrec.errors import ArtefactError, ConfigError, InputError
from genrec.training.checkpoint import load_weights, save_weights
from genrec.training.fit import FitConfig, FitResult, fit


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.3), nn.Linear(16, 1))


def rows(count: int = 50):
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(8, generator=generator), torch.randn(1, generator=generator))
        for _ in range(count)
    ]


def collate(batch):
    return {"x": torch.stack([x for x, _ in batch]), "y": torch.stack([y for _, y in batch])}


def squared(model, batch):
    return ((model(batch["x"]) - batch["y"]) ** 2).mean()


def config(**options) -> FitConfig:
    chosen = {"steps": 20, "batch_size": 4, "log_every": 1, "checkpoint_every": 4, "seed": 3}
    return FitConfig(**{**chosen, **options})


def train(folder, model=None, *, stop_at=0, **options):
    def progress(step, steps, loss):
        if step == stop_at:
            raise KeyboardInterrupt

    return fit(
        model or network(),
        options.pop("data", None) or rows(),
        collate=collate,
        loss=options.pop("loss", squared),
        validate=options.pop("validate", None),
        job=options.pop("job", "job"),
        times=options.pop("times", 1),
        config=config(**options),
        folder=folder,
        progress=progress,
    )


def test_a_stopped_run_goes_on_with_the_same_losses(tmp_path):
    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", stop_at=11)
    resumed = train(tmp_path / "stopped")
    assert resumed.losses == whole.losses
    assert len(whole.losses) == 20


@pytest.fixture
def hears_ctrl_c():
    """As in a terminal: whoever starts tests in the background may have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [2, 11, 20])
def test_a_signal_ends_a_training_after_its_step_and_nothing_is_lost(
    tmp_path, number, step, hears_ctrl_c
):
    def interrupted(model, batch):
        done.append(1)
        if len(done) == step:
            os.kill(os.getpid(), number)
        return squared(model, batch)

    whole, done = train(tmp_path / "whole"), []
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", loss=interrupted)
    assert len(done) == step
    assert signal.getsignal(number) is before
    assert train(tmp_path / "stopped", loss=interrupted).losses == whole.losses
    assert len(done) == 20


def test_a_second_signal_ends_a_training_at_once(tmp_path, caplog, hears_ctrl_c):
    def impatient(model, batch):
        done.append(1)
        if len(done) == 6:
            os.kill(os.getpid(), signal.SIGINT)
            assert "once more ends it at once" in caplog.text
            os.kill(os.getpid(), signal.SIGINT)
        return squared(model, batch)

    done = []
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, loss=impatient)
    # What was begun is begun again, from the checkpoint of step 4.
    train(tmp_path, loss=impatient)
    assert len(done) == 6 + 16


def test_where_no_checkpoints_are_asked_for_a_signal_ends_at_once(tmp_path, hears_ctrl_c):
    def interrupted(model, batch):
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal should have ended the step")

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, loss=interrupted, checkpoint_every=0)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_signals_that_somebody_handles_and_other_threads_are_left_alone(tmp_path):
    heard = []

    def own(number, frame):
        heard.append(number)

    def signalled(model, batch):
        if len(done) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        done.append(1)
        return squared(model, batch)

    done, before = [], signal.signal(signal.SIGTERM, own)
    try:
        assert train(tmp_path / "own", loss=signalled).steps == 20
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
    told = []
    thread = threading.Thread(target=lambda: told.append(train(tmp_path / "thread").steps))
    thread.start()
    thread.join()
    assert told == [20]


@pytest.mark.parametrize("count", [10, 3])
def test_each_batch_serves_as_many_steps_as_asked_for_and_every_row_comes(tmp_path, count):
    def recorded(stop_at=0, times=3):
        seen = []

        def loss(model, batch):
            seen.append([round(float(x.sum()), 4) for x in batch["x"]])
            return squared(model, batch)

        train(
            tmp_path, data=rows(count), loss=loss, stop_at=stop_at, times=times, checkpoint_every=3
        )
        return seen

    with pytest.raises(KeyboardInterrupt):
        recorded(stop_at=13)
    resumed = recorded()
    shutil.rmtree(tmp_path)
    seen = recorded()
    assert seen[12:] == resumed
    turns = [seen[start : start + 3] for start in range(0, 18, 3)]
    assert all(one == other == last for one, other, last in turns)
    assert all(len(batch) == 4 for batch in seen)
    epoch = -(-count // 4)
    assert {x for turn in turns[:epoch] for x in turn[0]} == {
        round(float(x.sum()), 4) for x, _ in rows(count)
    }
    assert [turn[0] for turn in turns[:epoch]] != [turn[0] for turn in turns[epoch : 2 * epoch]]


@pytest.mark.parametrize("early", [False, True], ids=["all steps done", "stopped early"])
def test_a_run_that_is_over_does_nothing_more(tmp_path, early):
    options = {"patience": 2, "validate_every": 4} if early else {}
    metrics = iter([0.1, 0.9, 0.5, 0.4, 0.3])

    def run(model):
        validate = (lambda: next(metrics)) if early else None
        return train(tmp_path, model, validate=validate, **options)

    first, second = network(), network()
    done, again = run(first), run(second)
    assert again.steps == done.steps == (16 if early else 20)
    assert again.losses == done.losses
    assert (again.best_step, again.metrics) == (done.best_step, done.metrics)
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(tmp_path):
    first, second = train(tmp_path / "a").losses, train(tmp_path / "b").losses
    assert first == second
    assert train(tmp_path / "c", seed=4).losses != first


def test_a_checkpoint_of_another_job_is_not_continued(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stop_at=11)
    fresh = train(tmp_path, job="other")
    assert fresh.losses == train(tmp_path / "whole", job="other").losses


def test_a_half_written_checkpoint_is_passed_over(tmp_path):
    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", stop_at=11)
    newest = tmp_path / "stopped" / "checkpoint-8"
    (newest / "optimizer.safetensors").write_bytes(b"half")
    assert train(tmp_path / "stopped").losses == whole.losses


def test_nothing_in_a_checkpoint_is_a_pickle(tmp_path):
    train(tmp_path)
    kinds = {file.suffix for file in (tmp_path / "checkpoint-20").iterdir()}
    assert kinds == {".json", ".safetensors"}


def test_the_best_weights_come_back(tmp_path):
    model = network()
    seen = []

    def validate():
        seen.append(model[0].weight.detach().clone())
        return {1: 0.1, 2: 0.9}.get(len(seen), 0.5)

    result = train(tmp_path, model, validate=validate, validate_every=5)
    assert (result.best_step, result.best_metric) == (10, 0.9)
    assert torch.equal(model[0].weight, seen[1])


def test_training_stops_when_patience_runs_out(tmp_path):
    values = iter([0.3, 0.2, 0.1])
    result = train(tmp_path, validate=lambda: next(values), validate_every=2, patience=2)
    assert result.steps == 6
    assert result.metrics == {2: 0.3, 4: 0.2, 6: 0.1}


def test_validation_does_not_change_the_training(tmp_path):
    plain = train(tmp_path / "plain")
    watched = train(tmp_path / "watched", validate=lambda: float(torch.rand(1)), validate_every=3)
    assert watched.losses == plain.losses


def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path):
    with pytest.raises(ConfigError, match="Lower learning_rate"):
        train(tmp_path, loss=lambda model, batch: squared(model, batch) * float("nan"))


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(InputError, match="no rows"):
        fit(network(), [], collate=collate, loss=squared, config=config(), folder=tmp_path)


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"batch_size": 0}, {"schedule": "x"}, {"learning_rate": 0.0}]
)
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        config(**options)


def test_weights_of_another_model_are_refused(tmp_path):
    save_weights(nn.Linear(2, 2), tmp_path / "weights.safetensors")
    with pytest.raises(ArtefactError, match="another model"):
        load_weights(network(), tmp_path / "weights.safetensors")


def test_damaged_weights_are_refused(tmp_path):
    (tmp_path / "weights.safetensors").write_text(json.dumps({}))
    with pytest.raises(ArtefactError, match="cannot be read"):
        load_weights(network(), tmp_path / "weights.safetensors")


@pytest.mark.parametrize("bf16", [False, True])
def test_bfloat16_reaches_whatever_the_loss_calls(tmp_path, bf16):
    seen = []

    def by_parts(model, batch):
        hidden = model[0](batch["x"])
        seen.append(hidden.dtype)
        return ((model[2](hidden.relu()).float() - batch["y"]) ** 2).mean()

    fit_options = {"steps": 1, "bf16": bf16}
    train(tmp_path, loss=by_parts, **fit_options)
    assert set(seen) == {torch.bfloat16 if bf16 else torch.float32}


def test_what_a_training_did_is_told_with_its_best_step():
    plain = FitResult([], {}, None, None, 40, 1.0)
    assert plain.told == "40 steps"
    validated = replace(plain, metrics={10: 0.2, 40: 0.1}, best_step=10, best_metric=0.2)
    assert validated.told == "40 steps, best 10 on validation (0.2000)"
    assert replace(validated, best_step=40).told == "40 steps, best the last on validation (0.2000)"
