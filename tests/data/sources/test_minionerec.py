import json
import logging

import polars as pl
import pytest

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError, InputError

STEM = "Industrial_and_Scientific"
TITLES = ["Tape, 3/4 inch", 'O\'Ring "small"', "Bolt", "Nut", "Saw"]


def window(user, history, item):
    return {
        "user_id": user,
        "history_item_title": str([TITLES[one] for one in history]),
        "item_title": TITLES[item],
        "history_item_id": str(history),
        "item_id": item,
        "history_item_sid": str([f"<a_{one}><b_0><c_0>" for one in history]),
        "item_sid": f"<a_{item}><b_0><c_0>",
    }


WINDOWS = {
    "train": [
        window("A1", [0], 1),
        window("A2", [2, 2], 3),
        window("A1", [0, 1], 2),
        window("A1", [0, 1, 2], 0),
    ],
    "valid": [window("A2", [2, 2, 3], 4), window("A3", [1], 0)],
    "test": [window("A1", [0, 1, 2, 0], 4), window("A3", [1, 0], 3)],
}


@pytest.fixture
def folder(tmp_path):
    """As the repository has them: one CSV in the folder of each part, a list of items."""
    for part, rows in WINDOWS.items():
        (tmp_path / part).mkdir()
        pl.DataFrame(rows).write_csv(tmp_path / part / f"{STEM}_5_2016-10-2018-11.csv")
    (tmp_path / "info").mkdir()
    lines = [f"<a_{one}><b_0><c_0>\t{title}\t{one}\n" for one, title in enumerate(TITLES)]
    (tmp_path / "info" / f"{STEM}_5_2016-10-2018-11.txt").write_text("".join(lines))
    return tmp_path


def bought(data, sequences):
    return [[int(data.catalog.ids[int(one)]) for one in row.items] for row in sequences]


def test_its_own_files_give_the_training_part_and_the_official_cases(folder, caplog):
    # What is said at a lower level than a warning is no matter of this test.
    caplog.set_level(logging.WARNING)
    data = Dataset.load("minionerec", folder=folder)
    assert data.name == "minionerec-industrial"
    assert [item.title for item in data.catalog] == TITLES
    assert data.users.tolist() == ["A1", "A2"]
    assert bought(data, data.sequences) == [[0, 1, 2, 0], [2, 2, 3]]
    train, test = data.split("published")
    fit, validation = train.split("published")
    assert len(fit) == len(data) == 7
    for cases, users, histories, targets in (
        (validation, ["A2", "A3"], [[2, 2, 3], [1]], [[4], [0]]),
        (test, ["A1", "A3"], [[0, 1, 2, 0], [1, 0]], [[4], [3]]),
    ):
        assert cases.targets.users.tolist() == users
        assert bought(data, cases.histories) == histories
        assert bought(data, cases.targets) == targets
    # The recipe's fields are there to be read, whatever the files tell.
    assert data.catalog.texts(["title", "brand"]) == TITLES
    assert not caplog.records


def test_descriptions_and_brands_are_read_where_they_are(folder):
    (folder / "index").mkdir()
    about = {"0": {"title": "Tape", "description": "['<b>Sticks</b>.']", "brand": "Acme"}, "9": {}}
    (folder / "index" / f"{STEM}.item.json").write_text(json.dumps(about))
    catalog = Dataset.load("minionerec", folder=folder).catalog
    assert (catalog["0"].attributes["brand"], catalog["0"].text) == ("Acme", "Sticks .")
    assert "brand" not in catalog["1"].attributes
    (folder / "index" / f"{STEM}.item.json").write_text("[1]")
    with pytest.raises(InputError, match="no JSON of items by id"):
        Dataset.load("minionerec", folder=folder)


def test_without_a_list_of_items_the_windows_name_them(folder):
    next((folder / "info").iterdir()).unlink()
    assert [item.title for item in Dataset.load("minionerec", folder=folder).catalog] == TITLES


def test_without_the_training_part_the_first_histories_are_all_there_is(folder, caplog):
    next((folder / "train").iterdir()).unlink()
    data = Dataset.load("minionerec", folder=folder)
    assert data.users.tolist() == ["A2", "A3"] and len(data) == 4
    assert "no training part" in caplog.text


def test_windows_out_of_order_are_told(folder, caplog):
    path = next((folder / "train").iterdir())
    pl.DataFrame(WINDOWS["train"][::-1]).write_csv(path)
    assert len(Dataset.load("minionerec", folder=folder)) == 9
    assert "2 of 4 training windows do not go on" in caplog.text


def test_missing_files_and_broken_lines_are_told_at_once(folder):
    path = next((folder / "test").iterdir())
    wrong = [{**window("A1", [0], 1), "history_item_id": "0;1"}, window("A2", [0], 1)]
    pl.DataFrame([*wrong, {**window("", [0], 1), "history_item_id": "[0, 1]"}]).write_csv(path)
    with pytest.raises(InputError) as caught:
        Dataset.load("minionerec", folder=folder)
    assert caught.value.problems == [
        "line 4: user_id is empty",
        "line 2: history_item_id is 0;1, not a list such as [3, 5]",
        "line 4: history_item_id and history_item_title are not equally long",
    ]
    path.write_text("user_id,item_id\nA1,1\n")
    with pytest.raises(InputError, match="lacks 3 column"):
        Dataset.load("minionerec", folder=folder)
    (folder / "test" / f"{STEM}_again.csv").write_text("x")
    with pytest.raises(InputError, match="has 2 files of .*'test'"):
        Dataset.load("minionerec", folder=folder)
    with pytest.raises(InputError, match=r"lacks 2 file\(s\) of MiniOneRec's Office_Products"):
        Dataset.load("minionerec", folder=folder, domain="office")
    with pytest.raises(ConfigError, match="domain is 'ofice'"):
        Dataset.load("minionerec", folder=folder, domain="ofice")
