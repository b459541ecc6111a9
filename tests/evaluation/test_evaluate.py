"""Evaluations: who wins is said first, and the protocol's rules hold."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from genrec.data.dataset import Holdout
from genrec.data.sequences import Sequences
from genrec.errors import ConfigError, InputError
from genrec.evaluation.controls import CONTROLS, train_control
from genrec.evaluation.evaluate import evaluate, rank_cases, select_cases
from genrec.evaluation.protocol import PROTOCOLS, Protocol
from genrec.evaluation.slices import by_history_length, by_item_popularity
from genrec.recommenders.base import Ranking, Recommender
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.popular import Popular
from tests.contracts.recommender import ITEMS, shop


class Scripted(Recommender):
    """Returns fixed lists, however wrong, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, catalog, items) -> None:
        self.catalog, self.items, self.asked = catalog, np.asarray(items, np.int32), []

    def rank(self, histories, n, *, allowed=None, exclude_seen=False) -> Ranking:
        self.asked.append((histories, allowed, exclude_seen))
        rows = np.tile(self.items[:n], (len(histories), 1))
        return Ranking(rows, -np.arange(n, dtype=np.float32)[None].repeat(len(histories), 0))


@pytest.fixture
def parts():
    return shop().split("last-out")


def test_the_first_line_names_the_control_that_wins(parts) -> None:
    train, test = parts
    report = evaluate(Popular.train(train), test, against=["cooccurrence"], train=train)
    assert str(report).splitlines()[0].startswith("A control beats popular on NDCG@10")
    assert "cooccurrence" in report.headline
    assert report.comparisons[0].verdict == "loses"


def test_the_first_line_says_so_when_we_win(parts) -> None:
    train, test = parts
    report = evaluate(Cooccurrence.train(train), test, against=["popular"], train=train)
    assert report.headline.startswith("cooccurrence beats every control on NDCG@10")
    assert report.comparisons[0].difference.mean > 0


def test_a_control_whose_lead_chance_explains_beats_nobody(parts) -> None:
    train, test = parts
    report = evaluate(Popular.train(train), test, against=["cooccurrence"], train=train)
    report.comparisons[0] = replace(report.comparisons[0], p=0.2)
    assert report.headline.startswith("A control leads popular on NDCG@10")
    assert "but chance may explain it: cooccurrence" in report.headline
    report.comparisons[0] = replace(report.comparisons[0], p=0.04)
    assert report.headline.startswith("A control beats popular on NDCG@10")


def test_a_lead_that_chance_explains_is_not_a_win(parts) -> None:
    train, test = parts
    two = test.take(np.arange(2))
    report = evaluate(Cooccurrence.train(train), two, against=["popular"], train=train)
    assert "chance may explain it" in report.headline
    assert report.comparisons[0].verdict == "level"


def test_without_a_control_there_is_no_claim(parts) -> None:
    train, test = parts
    report = evaluate(Popular.train(train), test)
    assert "no claim" in report.headline
    assert "beats" not in str(report)


def test_the_protocol_is_printed_and_the_figures_are_those_of_the_lists(parts) -> None:
    train, test = parts
    best = [int(history.items[0]) for history in test.targets]
    scripted = Scripted(test.catalog, range(ITEMS))
    report = evaluate(scripted, test, cutoffs=(1, 10), train=train)
    assert str(report.protocol) in str(report)
    expected = np.mean([1 / np.log2(item + 2) if item < 10 else 0 for item in best])
    assert report.results[0].estimates["ndcg@10"].mean == pytest.approx(expected)


def test_invalid_generations_are_counted(parts) -> None:
    _, test = parts
    scripted = Scripted(test.catalog, [0, 0, ITEMS + 4, *range(1, 9)])
    report = evaluate(scripted, test, cutoffs=(10,))
    assert report.results[0].invalid == 2 * len(test)
    assert report.to_dict()["recommenders"]["scripted"]["invalid_generations"] == 2 * len(test)


def test_the_filter_sees_the_whole_history_of_which_only_the_end_is_read(parts) -> None:
    _, test = parts
    protocol = Protocol(exclude_seen=True, max_history=2)
    scripted = Scripted(test.catalog, range(ITEMS))
    rank_cases(scripted, test, protocol, 3)
    ((histories, allowed, _),) = scripted.asked
    assert histories.lengths.tolist() == [2] * len(test)
    for row, history in zip(allowed.dense(), test.histories, strict=True):
        assert set(np.flatnonzero(~row)) == set(history.items.tolist())


def test_seen_and_cold_targets_are_dropped_by_the_rules() -> None:
    catalog = shop().catalog
    test = Holdout(
        catalog,
        Sequences.of([[1, 2], [3], [4], []]),
        Sequences.of([[2, 5], [3], [6], [7]]),
        "last-out",
    )
    counts = np.ones(ITEMS, int)
    counts[6] = 0
    kept, dropped = select_cases(test, PROTOCOLS["refit14"], counts)
    assert [row.items.tolist() for row in kept.targets] == [[5], [7]]
    assert dropped == 2
    everyone, none = select_cases(test, PROTOCOLS["tiger14"], None)
    assert (len(everyone), none) == (4, 0)


def test_no_target_left_is_an_error_that_names_the_protocol() -> None:
    test = Holdout(shop().catalog, Sequences.of([[1]]), Sequences.of([[1]]), "last-out")
    with pytest.raises(InputError, match="refit14"):
        select_cases(test, PROTOCOLS["refit14"], np.ones(ITEMS, int))


def test_without_a_refit_controls_do_not_see_the_validation_events(parts) -> None:
    train, _ = parts
    refit = train_control("popular", train, Protocol(refit=True))
    fitted = train_control("popular", train, Protocol(refit=False))
    assert refit.counts.sum() == len(train)
    assert fitted.counts.sum() == len(train) - len(train.users)


def test_every_control_by_name_can_be_trained_and_measured(parts) -> None:
    from genrec.recommenders.sasrec_network import SASRecConfig
    from genrec.training.options import FitConfig

    train, test = parts
    small = {
        "network": SASRecConfig(width=8, heads=1, max_history=5),
        "fit_config": FitConfig(steps=2, batch_size=4),
    }
    others = [name for name in CONTROLS.names() if name != "popular"]
    report = evaluate(
        Popular.train(train), test, against=others, train=train, options={"sasrec": small}
    )
    assert [result.name for result in report.results] == ["popular", *others]
    assert sum(result.invalid for result in report.results) == 0


def test_the_same_evaluation_gives_the_same_table(parts) -> None:
    train, test = parts
    one, other = (
        evaluate(Popular.train(train), test, against=["personal"], train=train) for _ in range(2)
    )
    assert str(one) == str(other)


def test_progress_reaches_all_users_of_each_recommender(parts) -> None:
    train, test = parts
    calls = []
    evaluate(
        Popular.train(train),
        test,
        against=["personal"],
        train=train,
        progress=lambda *call: calls.append(call),
    )
    assert calls == [("popular", 10, 10), ("personal", 10, 10)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"against": ["populr"]}, "popular"),
        ({"main": "ndcg@11"}, "ndcg@1"),
        ({"against": ["popular"]}, "Two recommenders"),
    ],
)
def test_names_that_do_not_fit_are_config_errors(parts, arguments, message) -> None:
    train, test = parts
    with pytest.raises(ConfigError, match=message):
        evaluate(Popular.train(train), test, train=train, **arguments)


def test_a_control_by_name_needs_training_data(parts) -> None:
    train, test = parts
    with pytest.raises(InputError, match="train= is missing"):
        evaluate(Popular.train(train), test, against=["personal"])


def test_the_protocol_must_be_that_of_the_cases(parts) -> None:
    train, test = parts
    with pytest.raises(InputError, match="last-basket"):
        evaluate(Popular.train(train), test, protocol=Protocol(split="last-basket"))


def test_a_protocol_names_all_that_does_not_fit() -> None:
    with pytest.raises(ConfigError, match=r"(?s)last-uot.*last-out.*collisions.*beam"):
        Protocol(split="last-uot", collisions="both", beam=-1)
    with pytest.raises(ConfigError, match="tiger14"):
        Protocol.named("tiger")


def test_two_protocols_never_print_the_same_line() -> None:
    base = Protocol()
    changes = [
        {"refit": False},
        {"exclude_seen": True},
        {"drop_seen_targets": True},
        {"drop_cold_targets": True},
        {"max_history": 9},
        {"drawn_users": 50},
        {"ties": "item order"},
        {"collisions": "code"},
        {"beam": 20},
        {"seeds": (0, 1)},
        {"split": "last-basket"},
        {"name": "other"},
    ]
    lines = {str(base), *(str(replace(base, **change)) for change in changes)}
    assert len(lines) == len(changes) + 1


def test_slices_by_length_part_the_users() -> None:
    histories = Sequences.of([[], [0], [0] * 4, [0] * 5, [0] * 70, [0] * 1000])
    slices = by_history_length(histories)
    assert {name: rows.tolist() for name, rows in slices.items()} == {
        "history 0": [0],
        "history 1-4": [1, 2],
        "history 5-9": [3],
        "history 50-199": [4],
        "history 1000+": [5],
    }


def test_slices_by_popularity_part_the_users() -> None:
    counts = np.array([9, 8, 7, 6, 5, 0])
    slices = by_item_popularity(Sequences.of([[0], [1], [2], [3], [5], [0, 0, 4]]), counts)
    assert {name: rows.tolist() for name, rows in slices.items()} == {
        "target head": [0, 5],
        "target middle": [1, 2],
        "target tail": [3],
        "target unseen": [4],
    }


def test_the_report_is_saved_as_text_json_and_one_page(parts, tmp_path) -> None:
    train, test = parts
    recommender = Popular.train(train)
    recommender.name = "<ours>"
    report = evaluate(recommender, test, against=["cooccurrence"], train=train)
    report.save(tmp_path / "report", title="A & B")
    assert (tmp_path / "report" / "report.txt").read_text() == f"{report}\n"
    stored = json.loads((tmp_path / "report" / "report.json").read_text())
    assert stored["headline"] == report.headline
    assert set(stored["recommenders"]) == {"<ours>", "cooccurrence"}
    page = (tmp_path / "report" / "report.html").read_text()
    HTMLParser().feed(page)
    assert "A &amp; B" in page
    assert "<ours>" not in page
    assert page.count("<svg") == 3
    assert "not corrected for the number of controls" in page
    assert "the fifth that was chosen most is the head" in page
    assert "src=" not in page and "<link" not in page
    assert page == report.to_html(title="A & B")
