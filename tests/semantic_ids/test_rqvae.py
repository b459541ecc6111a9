import numpy as np
import pytest
import torch

from genrec.errors import ConfigError
from genrec.semantic_ids.options import RqVaeConfig
from genrec.semantic_ids.rqvae import CHECKPOINT, RqVae
from genrec.semantic_ids.rqvae_network import RqVaeNetwork, _evenly

OPTIONS = {"latent": 4, "hidden": (8,), "epochs": 8, "warmup_epochs": 2, "batch_size": 16}


def vectors(items=64):
    return np.random.default_rng(1).normal(size=(items, 6)).astype(np.float32)


class Stopped(Exception):
    pass


def stop_after(epochs):
    def progress(done, total):
        if done == epochs:
            raise Stopped

    return progress


@pytest.mark.parametrize("killed_after", [4, 5])
def test_a_killed_training_ends_with_the_same_codebooks(tmp_path, killed_after):
    config = RqVaeConfig(**OPTIONS, checkpoint_every=2)
    whole = RqVae(2, 4, config)
    whole.fit(vectors(), seed=0)
    with pytest.raises(Stopped):
        RqVae(2, 4, config).fit(
            vectors(), seed=0, folder=tmp_path, progress=stop_after(killed_after)
        )
    told = []
    again = RqVae(2, 4, config)
    again.fit(vectors(), seed=0, folder=tmp_path, progress=lambda done, total: told.append(done))
    assert told == list(range(5, 9))
    for name, tensor in whole.tensors().items():
        np.testing.assert_array_equal(again.tensors()[name], tensor)
    assert again.losses == whole.losses


def test_a_checkpoint_of_other_vectors_is_not_taken(tmp_path):
    config = RqVaeConfig(**OPTIONS, checkpoint_every=2)
    RqVae(2, 4, config).fit(vectors(), seed=0, folder=tmp_path)
    told = []
    RqVae(2, 4, config).fit(
        vectors() * 2, seed=0, folder=tmp_path, progress=lambda done, total: told.append(done)
    )
    assert told == list(range(1, 9))


def test_a_damaged_checkpoint_costs_time_only(tmp_path):
    config = RqVaeConfig(**OPTIONS, checkpoint_every=2)
    first = RqVae(2, 4, config)
    first.fit(vectors(), seed=0, folder=tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"nothing of the kind")
    again = RqVae(2, 4, config)
    again.fit(vectors(), seed=0, folder=tmp_path)
    np.testing.assert_array_equal(again.encode(vectors()), first.encode(vectors()))


def test_the_loss_falls_in_training():
    quantizer = RqVae(2, 16, RqVaeConfig(**{**OPTIONS, "epochs": 40, "learning_rate": 1e-2}))
    quantizer.fit(vectors(), seed=0)
    assert quantizer.losses[-1] < 0.6 * quantizer.losses[3]


def network(config=None):
    torch.manual_seed(0)
    made = RqVaeNetwork(6, 2, 4, config or RqVaeConfig(**OPTIONS))
    with torch.no_grad():
        made.codebooks.copy_(torch.randn(2, 4, 4))
    return made


def test_a_code_that_nothing_used_starts_again_where_items_are():
    made = network()
    with torch.no_grad():
        made.codebooks[0, 2] = 1e3
    latent = torch.randn(32, 4)
    codes, _ = made.quantised(latent)
    counts = torch.stack([torch.bincount(codes[:, level], minlength=4) for level in range(2)])
    assert counts[0, 2] == 0
    restarted = made.restart(counts, latent, codes, torch.Generator().manual_seed(0))
    assert restarted >= 1
    assert any(torch.equal(made.codebooks[0, 2], row) for row in latent)


def test_codes_move_to_the_mean_of_what_they_stand_for():
    made = network(RqVaeConfig(**OPTIONS, decay=0.0))
    latent = torch.randn(32, 4)
    codes, _ = made.quantised(latent)
    made.move_codes(codes, latent)
    for code in codes[:, 0].unique().tolist():
        mean = latent[codes[:, 0] == code].mean(0)
        torch.testing.assert_close(made.codebooks[0, code], mean)


def test_gradients_pass_straight_through_the_codes():
    made = network()
    loss, _, _ = made.loss(torch.randn(8, 6))
    loss.backward()
    assert made.encoder[0].weight.grad.abs().sum() > 0
    assert made.codebooks.grad is None


def test_codebooks_train_by_gradient_where_asked():
    made = network(RqVaeConfig(**OPTIONS, codebooks="gradient"))
    loss, _, _ = made.loss(torch.randn(8, 6))
    loss.backward()
    assert made.codebooks.grad.abs().sum() > 0


def test_sinkhorn_spreads_items_over_codes_that_they_would_not_choose():
    distances = torch.rand(64, 8, generator=torch.Generator().manual_seed(0))
    distances[:, 0] -= 0.9
    assert torch.bincount(distances.argmin(1), minlength=8)[0] > 50
    even = torch.bincount(_evenly(distances).argmin(1), minlength=8)
    assert even.max() <= 20
    assert even.min() >= 2


@pytest.mark.parametrize(
    "options",
    [{"latent": 0}, {"codebooks": "emo"}, {"warmup_epochs": 200}, {"decay": 1.0}, {"hidden": (0,)}],
)
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ConfigError, match="RQ-VAE"):
        RqVaeConfig(**options)
