import pytest
import torch
from torch.nn import functional

from genrec.llm.item_table import ItemTable
from genrec.llm.options import ItemTableConfig
from genrec.training.dense import dense_loss
from genrec.training.packing import NO_TARGET

WIDTH, ITEMS = 8, 11


def table(**options) -> ItemTable:
    torch.manual_seed(0)
    made = ItemTable(
        torch.randn(ITEMS, 5),
        WIDTH,
        ItemTableConfig(**options),
        trained=torch.ones(ITEMS, dtype=torch.bool),
    )
    with torch.no_grad():
        made.repeated.fill_(0.07)
    return made.eval()


def batch() -> dict[str, torch.Tensor]:
    none = NO_TARGET
    return {
        # Two rows in the first pack, one and padding in the second.
        "segments": torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, -1, -1]]),
        "held_items": torch.tensor([[none, 3, 4, none, 5], [none, 3, 3, none, none]]),
        "next_items": torch.tensor([[3, 4, none, 5, none], [3, 3, 6, none, none]]),
    }


def by_hand(items: ItemTable, hidden: torch.Tensor) -> float:
    given, losses = batch(), []
    vectors = functional.normalize(items.vectors(), dim=-1)
    for pack in range(2):
        for place in range(5):
            wanted = int(given["next_items"][pack, place])
            if wanted == NO_TARGET:
                continue
            scores = items.queries(hidden[pack, place]) @ vectors.T
            row = given["segments"][pack, place]
            past = [
                int(given["held_items"][pack, earlier])
                for earlier in range(place + 1)
                if given["segments"][pack, earlier] == row
                and given["held_items"][pack, earlier] != NO_TARGET
            ]
            own = scores[wanted] + (items.repeat if wanted in past else 0)
            others = [scores[item] for item in range(ITEMS) if item != wanted]
            seen = [scores[item] + items.repeat for item in past if item != wanted]
            logits = torch.stack([own, *others, *seen])
            losses.append(float(-logits.log_softmax(0)[0]))
    return sum(losses) / len(losses)


def test_the_loss_over_all_items_is_that_of_a_loop():
    items = table()
    hidden = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = float(dense_loss(items, hidden, batch(), negatives=0))
    assert found == pytest.approx(by_hand(items, hidden), abs=1e-5)


def test_few_negatives_never_count_the_target_against_itself():
    items = table()
    hidden = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1))
    one_item = {**batch(), "held_items": torch.full((2, 5), NO_TARGET)}
    one_item["held_items"][0, 4] = 0
    torch.manual_seed(2)
    with torch.no_grad():
        values = [float(dense_loss(items, hidden, one_item, negatives=1)) for _ in range(50)]
    assert all(value >= 0 for value in values)
    assert min(values) < max(values)


def test_gradients_reach_the_query_the_items_and_the_repeat():
    items = table().train()
    hidden = torch.randn(2, 5, WIDTH, requires_grad=True)
    dense_loss(items, hidden, batch(), negatives=4).backward()
    assert hidden.grad.abs().sum() > 0
    assert items.own.weight.grad.abs().sum() > 0
    assert items.query.weight.grad.abs().sum() > 0
    assert items.repeated.grad.abs() > 0


def test_an_item_that_nobody_has_chosen_is_no_negative():
    items = table()
    hidden = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = float(dense_loss(items, hidden, batch(), negatives=0))
        items.trained[9] = False
        without = float(dense_loss(items, hidden, batch(), negatives=0))
        items.features[9] += 100.0
        moved = float(dense_loss(items, hidden, batch(), negatives=0))
    assert without < before
    assert moved == without
