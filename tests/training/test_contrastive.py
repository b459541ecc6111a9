import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from genrec.training.checkpoint import trained_tensors
from genrec.training.contrastive import (
    MemoryQueue,
    MomentumCopy,
    encode_in_chunks,
    info_nce,
    sigmoid_loss,
)


def unit(count, seed=0, dimensions=5):
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(count, dimensions, generator=generator), dim=1)


def nce(queries, keys, groups=None, key_groups=None, **options):
    groups = torch.arange(len(queries)) if groups is None else torch.tensor(groups)
    key_groups = torch.arange(len(keys)) if key_groups is None else torch.tensor(key_groups)
    scale = torch.tensor(7.0)
    return info_nce(
        queries, keys, scale=scale, query_groups=groups, key_groups=key_groups, **options
    )


def plain_nce(queries, keys, scale=7.0):
    total = 0.0
    for row, query in enumerate(queries.tolist()):
        scores = [
            scale * sum(a * b for a, b in zip(query, key, strict=True)) for key in keys.tolist()
        ]
        total -= scores[row] - math.log(sum(math.exp(score) for score in scores))
    return total / len(queries)


def test_info_nce_is_the_plain_formula_with_further_keys_as_negatives():
    queries, keys = unit(4), unit(9, seed=1)
    assert math.isclose(nce(queries, keys).item(), plain_nce(queries, keys), rel_tol=1e-5)


def test_a_key_of_the_same_group_is_no_negative():
    queries, keys = unit(4), unit(4, seed=1)
    twice = torch.cat([keys, keys[:1]])
    masked = nce(queries, twice, [0, 1, 2, 3], [0, 1, 2, 3, 0])
    by_hand = sum(
        plain_nce(queries[row : row + 1], torch.cat([keys[row : row + 1], rest]))
        for row, rest in enumerate(
            torch.cat([twice[:row], twice[row + 1 : 4 if row == 0 else 5]]) for row in range(4)
        )
    )
    assert math.isclose(masked.item(), by_hand / 4, rel_tol=1e-5)
    assert nce(queries, twice, [0, 1, 2, 3], [0, 1, 2, 3, 9]) > masked


def test_smoothing_mixes_in_the_mean_over_all_other_keys():
    queries, keys = unit(3), unit(3, seed=1)
    logs = torch.log_softmax(7.0 * queries @ keys.T, 1)
    off = ~torch.eye(3, dtype=torch.bool)
    wanted = 0.9 * -logs.diagonal().mean() + 0.1 * -logs[off].mean()
    assert torch.allclose(nce(queries, keys, smoothing=0.1), wanted)


def test_the_sigmoid_loss_is_the_plain_formula():
    queries, keys = unit(3), unit(5, seed=1)
    wanted = 0.0
    for row in range(3):
        for column in range(5):
            logit = 7.0 * float(queries[row] @ keys[column]) - 2.0
            sign = 1 if row == column else -1
            wanted += math.log(1 + math.exp(-sign * logit)) / 3
    found = sigmoid_loss(
        queries,
        keys,
        scale=torch.tensor(7.0),
        bias=torch.tensor(-2.0),
        query_groups=torch.arange(3),
        key_groups=torch.arange(5),
    )
    assert math.isclose(found.item(), wanted, rel_tol=1e-5)


def gradients(network, inputs, chunk):
    network.zero_grad()
    vectors = functional.normalize(encode_in_chunks(network, [inputs], chunk=chunk), dim=1)
    nce(vectors, unit(len(inputs), seed=3, dimensions=6)).backward()
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def test_gradients_in_chunks_are_those_of_the_whole_batch():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 6))
    inputs = torch.randn(22, 8)
    whole = gradients(network, inputs, 0)
    for chunk in (1, 4, 7, 22):
        assert torch.allclose(gradients(network, inputs, chunk), whole, atol=1e-6)
    assert whole.abs().max() > 1e-3


def kept_numbers(chunk):
    """Numbers that the graph keeps for the way back, of a batch of 64."""
    layers = nn.Sequential(nn.Linear(3, 50), nn.GELU(), nn.Linear(50, 3))
    kept = []

    def keep(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        encode_in_chunks(layers, [torch.randn(64, 3)], chunk=chunk)
    return sum(kept)


def test_chunks_keep_their_inputs_only():
    assert kept_numbers(0) > 64 * 50
    assert kept_numbers(8) <= 64 * 3


def test_dropout_draws_the_same_when_a_chunk_is_computed_again():
    network = nn.Sequential(nn.Linear(8, 32), nn.Dropout(0.5), nn.Linear(32, 6)).train()
    inputs = torch.randn(12, 8)
    torch.manual_seed(5)
    cached = gradients(network, inputs, 4)
    torch.manual_seed(5)
    network.zero_grad()
    plain = torch.cat([network(part) for part in inputs.split(4)])
    nce(functional.normalize(plain, dim=1), unit(12, seed=3, dimensions=6)).backward()
    kept = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
    assert torch.allclose(cached, kept, atol=1e-6)


@given(st.lists(st.integers(1, 7), max_size=12), st.integers(1, 10))
def test_a_queue_holds_the_newest_keys_newest_batch_first(batches, size):
    queue, pushed = MemoryQueue(size, 2), []
    for number, count in enumerate(batches):
        keys = torch.full((count, 2), float(number))
        queue.push(keys, torch.full((count,), number))
        pushed = [number] * count + pushed
    keys, groups = queue.with_past(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
    assert groups.tolist() == pushed[:size]
    assert keys[:, 0].tolist() == [float(number) for number in pushed[:size]]


def test_gradients_do_not_reach_the_past():
    queue = MemoryQueue(4, 2)
    first = torch.ones(2, 2, requires_grad=True)
    queue.push(first, torch.arange(2))
    second = torch.ones(1, 2, requires_grad=True)
    keys, _ = queue.with_past(second, torch.tensor([7]))
    keys.sum().backward()
    assert first.grad is None and second.grad.tolist() == [[1.0, 1.0]]


def test_a_momentum_copy_is_the_exponential_mean_of_weights():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    copy = MomentumCopy(model, 0.9)
    for value in (2.0, 3.0):
        model.weight.data.fill_(value)
        copy.follow(model)
    assert np.isclose(copy.model.weight.item(), 0.9 * (0.9 + 0.2) + 0.3)
    assert not any(parameter.requires_grad for parameter in copy.parameters())


def test_queues_and_copies_belong_to_a_checkpoint_and_frozen_parts_do_not():
    frozen = nn.Linear(2, 2).requires_grad_(False)
    model = nn.ModuleDict({"queue": MemoryQueue(3, 2), "frozen": frozen, "head": nn.Linear(2, 1)})
    assert set(trained_tensors(model)) == {
        "queue.keys",
        "queue.groups",
        "queue.filled",
        "head.weight",
        "head.bias",
    }
