"""Small models for the tests of prepacked weights, and their states with and without copies."""

import torch
from torch import nn

IDS = torch.tensor([[1, 5, 9, 30], [1, 7, 20, 40]])


def plain_states(backbone, ids=IDS):
    """The decoder's states without any copy."""
    with torch.no_grad():
        return backbone.model.get_decoder()(input_ids=ids).last_hidden_state


def packed_states(backbone, ids=IDS):
    with torch.inference_mode():
        return backbone.hidden_states(input_ids=ids).last_hidden_state


def two_layers(bias=True, width=8):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 16, bias=bias), nn.Linear(16, width, bias=bias)).eval()
