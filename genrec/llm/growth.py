"""An LLM with more semantic-ID tokens than it was trained with; all that it learned stays.

Where equal IDs are counted by a last level, new items can need a higher count than there was, and a
code that is new is a token that is new.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genrec.errors import ConfigError
from genrec.llm.adapt import base
from genrec.llm.backbone import Backbone
from genrec.llm.options import WITH_LORA
from genrec.llm.presets import SCRATCH


def with_tokens(
    backbone: Backbone, token_names: Sequence[str], codebook_sizes: Sequence[int]
) -> Backbone:
    """The same LLM with these semantic-ID tokens; itself if it has them all.

    The row of a new token starts at the mean of the rows of its level.

    Args:
        token_names: of the last level there may be more than the LLM has.

    Raises:
        ConfigError: the LLM's own options leave new tokens no row that trains.
    """
    if tuple(codebook_sizes) == tuple(backbone.codebook_sizes):
        return backbone
    config = backbone.settings
    if config.name in SCRATCH and config.adapt != "full" and not config.start_from:
        raise ConfigError(
            f"The new items need further codes, and llm.name is {config.name} with adapt: "
            f"{config.adapt}: frozen random weights that depend on the number of tokens. Make the "
            "run anew with semantic_ids.collisions: reassign, or adapt: full."
        )
    if config.adapt in WITH_LORA and not config.lora_rows:
        raise ConfigError(
            "The new items need further codes, and llm.lora_rows is off: their tokens would never "
            "be trained. Make the run anew with semantic_ids.collisions: reassign, or lora_rows on."
        )
    grown = Backbone.create(config, token_names, codebook_sizes, soft=backbone.soft)
    _copy(backbone, grown)
    if backbone.items is not None:
        grown.items = backbone.items
    if backbone.features is not None:
        grown.features = backbone.features
    return grown.to(backbone.device).eval()


def _copy(old: Backbone, new: Backbone) -> None:
    """Everything that trains, rows of tokens by the tokens' names."""
    places = _row_places(old, new)
    tables = {id(weight) for weight in _tables(new)}
    learned = dict(old.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, weight in new.named_parameters(remove_duplicate=False):
            if not weight.requires_grad or name not in learned:
                continue
            before = learned[name].detach().to(weight.dtype)
            if "trainable_tokens_delta" in name:
                # The adapter's rows stand in the order of names, not of the vocabulary.
                weight.copy_(_moved(before, weight, _named_places(old, new)))
            elif id(weight) in tables:
                weight.copy_(_moved(before, weight, places))
            else:
                weight.copy_(before)
        _start_new_rows(old, new)


def _tables(backbone: Backbone) -> list[Tensor]:
    model = base(backbone.model)
    return [model.get_input_embeddings().weight, model.get_output_embeddings().weight]


def _names(backbone: Backbone) -> list[str]:
    return [*backbone.token_names, *backbone.extra_tokens]


def _row_places(old: Backbone, new: Backbone) -> tuple[Tensor, Tensor]:
    """Rows of the vocabulary before and now, of text tokens and of those that both added."""
    names = _names(old)
    before = torch.tensor(old.text_tokenizer.convert_tokens_to_ids(names))
    now = torch.tensor(new.text_tokenizer.convert_tokens_to_ids(names))
    text = torch.arange(int(before.min()))
    return torch.cat([text, before]), torch.cat([text, now])


def _named_places(old: Backbone, new: Backbone) -> tuple[Tensor, Tensor]:
    """Rows of an adapter before and now."""
    now = {name: row for row, name in enumerate(_names(new))}
    names = _names(old)
    return torch.arange(len(names)), torch.tensor([now[name] for name in names])


def _moved(before: Tensor, now: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
    moved = now.detach().clone()
    moved[places[1].to(now.device)] = before[places[0].to(before.device)].to(now.device)
    return moved


def _start_new_rows(old: Backbone, new: Backbone) -> None:
    """Each new token's row at the mean of the rows that its level had."""
    levels = [level for level, size in enumerate(new.codebook_sizes) for _ in range(size)]
    known = {name: row for row, name in enumerate(old.token_names)}
    added = [row for row, name in enumerate(new.token_names) if name not in known]
    numbers = torch.tensor(levels)
    of_name = torch.tensor([name in known for name in new.token_names])
    ids = new.token_ids.cpu()
    for level in sorted({levels[row] for row in added}):
        mates = torch.nonzero((numbers == level) & of_name)[:, 0]
        mine = [row for row in added if levels[row] == level]
        for weight in _tables(new):
            if weight.requires_grad:
                weight[ids[mine]] = weight[ids[mates]].mean(0)
        for name, weight in new.named_parameters():
            if "trainable_tokens_delta" in name:
                weight[mine] = weight[mates].mean(0)
