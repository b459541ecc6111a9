import pytest
import torch

from genrec.llm import prepacked


@pytest.fixture
def small_matrices(monkeypatch):
    """Matrices of any size are prepacked, as those of these tests' LLMs."""
    monkeypatch.setattr(prepacked, "LEAST_SIDE", 1)


@pytest.fixture
def products(monkeypatch):
    """What was multiplied with packed copies: the shape of each input."""
    taken = []
    real = torch.ops.mkldnn._linear_pointwise

    def watched(inputs, *rest):
        taken.append(tuple(inputs.shape))
        return real(inputs, *rest)

    def watched_product(inputs, *rest):
        taken.append(tuple(inputs.shape))
        return real.binary(inputs, *rest)

    watched.binary = watched_product
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", watched)
    return taken
