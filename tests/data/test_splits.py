import polars as pl
import pytest

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.errors import ConfigError, InputError

CATALOG = Catalog.of_ids(list("abcdefghij"))


def dataset(rows, *more):
    columns = ["user_id", "item_id", *more]
    return assemble(CATALOG, pl.DataFrame(rows, schema=columns, orient="row"))


def shown(holdout):
    """User, history and targets of each case, as letters."""
    return [
        (user, *("".join(CATALOG.ids[i] for i in part.items) for part in (history, target)))
        for user, history, target in zip(
            holdout.histories.users, holdout.histories, holdout.targets, strict=True
        )
    ]


def trained(data):
    return {
        user: "".join(CATALOG.ids[i] for i in history.items)
        for user, history in zip(data.users, data.sequences, strict=True)
    }


def test_last_out_holds_each_users_last_event_and_the_next_split_the_one_before():
    data = dataset([("u", item) for item in "abcd"] + [("v", "e"), ("w", "f"), ("w", "g")])
    train, test = data.split("last-out")
    assert shown(test) == [("u", "abc", "d"), ("w", "f", "g")]
    assert trained(train) == {"u": "abc", "v": "e", "w": "f"}
    fit, validation = train.split("last-out")
    assert shown(validation) == [("u", "ab", "c")]
    assert trained(fit) == {"u": "ab", "v": "e", "w": "f"}


def test_last_basket_holds_whole_baskets_and_keeps_users_of_one_basket_in_training():
    rows = [("u", "a", 1), ("u", "b", 1), ("u", "c", 2), ("u", "d", 3), ("u", "e", 3)]
    data = dataset([*rows, ("v", "f", 9), ("v", "g", 9)], "basket_id")
    train, test = data.split("last-basket")
    assert shown(test) == [("u", "abc", "de")]
    assert trained(train) == {"u": "abc", "v": "fg"}
    assert shown(train.split("last-basket")[1]) == [("u", "ab", "c")]


def test_global_time_cuts_all_users_at_one_moment_and_never_trains_on_later_events():
    rows = [("u", "a", t) for t in range(100, 117)] + [("u", "b", 118), ("v", "c", 117)]
    data = dataset([*rows, ("v", "d", 119), ("w", "e", 120)], "time")
    train, test = data.split("global-time")
    assert shown(test) == [("v", "c", "d")]
    assert trained(train) == {"u": "a" * 17 + "b", "v": "c", "w": ""}
    assert train.events["time"].max() < 119
    assert train.users.tolist() == data.users.tolist()


def test_global_time_keeps_equal_times_on_one_side():
    rows = [("u", "a", 1), ("v", "b", 1)] + [("u", "c", 2), ("v", "d", 2)] * 4
    train, test = dataset(rows, "time").split("global-time")
    assert shown(test) == [("u", "a", "cccc"), ("v", "b", "dddd")]
    assert len(train) == 2


def test_published_parts_are_taken_as_they_came():
    rows = [("u", "a", "train"), ("u", "b", "valid"), ("u", "c", "test"), ("u", "d", "test")]
    data = dataset([*rows, ("v", "e", "test"), ("w", "f", "train")], "part")
    train, test = data.split("published")
    assert shown(test) == [("u", "ab", "cd")]
    assert trained(train) == {"u": "ab", "v": "", "w": "f"}
    fit, validation = train.split("published")
    assert shown(validation) == [("u", "a", "b")]
    assert "part" not in fit.events.columns
    with pytest.raises(ConfigError, match="no \\(further\\) published parts"):
        fit.split("published")


def test_published_cases_are_handed_out_test_first():
    def cases(target):
        return Holdout(CATALOG, Sequences.of([[0]]), Sequences.of([[target]]), "published")

    data = dataset([("u", "a"), ("u", "b")])
    data = Dataset(
        data.name,
        CATALOG,
        data.users,
        data.events,
        published={"validation": cases(1), "test": cases(2)},
    )
    train, test = data.split("published")
    fit, validation = train.split("published")
    assert test.targets[0].items.tolist() == [2] and validation.targets[0].items.tolist() == [1]
    assert len(train) == len(fit) == 2
    with pytest.raises(ConfigError):
        fit.split("published")
    with pytest.raises(ConfigError, match="published cases"):
        data.core(1)


def test_what_a_split_lacks_is_said():
    data = dataset([("u", "a"), ("v", "b")])
    with pytest.raises(InputError, match="holds nothing out"):
        data.split("last-out")
    with pytest.raises(ConfigError, match="no baskets"):
        data.split("last-basket")
    with pytest.raises(ConfigError, match="no times"):
        data.split("global-time")
    with pytest.raises(ConfigError, match="did you mean 'last-out'"):
        data.split("last-oust")
