import polars as pl
import pytest

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError, InputError

COUNTS = [
    ("amazon2014", {"domain": "beauty"}, (22363, 12101, 198502)),
    ("amazon2014", {"domain": "toys"}, (19412, 11924, 167597)),
    ("movielens", {"edition": "ml100k"}, (943, 1682, 100000)),
    ("movielens", {"edition": "ml-latest-small"}, (610, 9742, 100836)),
    ("online_retail", {}, (4335, 3659, 396370)),
]


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "options", "counts"), COUNTS)
def test_the_counts_are_the_published_ones(name, options, counts):
    data = Dataset.load(name, **options)
    assert (len(data.users), len(data.catalog), len(data)) == counts
    train, test = data.split("last-out")
    fit, validation = train.split("last-out")
    assert len(fit) == len(data) - len(test) - len(validation)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("domain", "items", "cases"),
    [("industrial", 3686, (4533, 4532)), ("office", 3459, (4866, 4866))],
)
def test_minionerec_hands_out_its_official_cases(domain, items, cases):
    data = Dataset.load("minionerec", domain=domain)
    train, test = data.split("published")
    _, validation = train.split("published")
    assert len(data.catalog) == items and (len(test), len(validation)) == cases
    assert test.histories.lengths.max() <= 10 and set(test.targets.lengths) == {1}


@pytest.mark.realdata
def test_beauty_items_are_described_by_category_and_brand():
    item = Dataset.load("amazon2014", domain="beauty").catalog["B004756YJA"]
    assert item.describe() == (
        "OPI Nail Lacquer, Simmer and Shimmer, 0.5-Fluid Ounce. "
        "category: Makeup > Nails > Nail Polish. brand: OPI"
    )


@pytest.mark.parametrize("name", ["amazon2014", "minionerec", "movielens", "online_retail"])
def test_absent_folders_are_said_with_the_variable_to_set(name, tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    with pytest.raises(InputError, match="GENREC_DATA"):
        Dataset.load(name)


def test_a_damaged_folder_is_one_plain_error(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    (tmp_path / "online-retail").mkdir()
    (tmp_path / "online-retail" / "online_retail.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(InputError, match="is cut off"):
        Dataset.load("online_retail")


def test_unknown_domains_are_answered_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    with pytest.raises(ConfigError, match="did you mean 'beauty'"):
        Dataset.load("amazon2014", domain="beaty")


def written(root, domain, **columns):
    folder = root / f"amazon2014-{domain}"
    folder.mkdir()
    items = {"item_id": [1, 2, 3], "asin": ["A", "B", "C"], "title": ["Ball", None, "Bat"]}
    pl.DataFrame({**items, **columns}).write_parquet(folder / "items.parquet")
    sequences = {"user_id": [1, 2], "user_asin": ["U", "V"], "item_ids": [[3, 1, 2], [2, 3]]}
    pl.DataFrame(sequences).write_parquet(folder / "sequences.parquet")


def test_any_domain_that_has_a_folder_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    categories = [["Sports > Balls > Tennis", "Sports > New"], [], None]
    written(tmp_path, "sports", categories=categories, brand=["Acme", None, None])
    data = Dataset.load("amazon2014", domain="sports")
    assert data.name == "amazon2014-sports"
    assert data.catalog["A"].describe() == "Ball. category: Balls > Tennis. brand: Acme"
    assert [data.catalog[name].describe() for name in "BC"] == ["B", "Bat"]
    histories = [[data.catalog[int(one)].id for one in row.items] for row in data.sequences]
    assert histories == [["C", "A", "B"], ["B", "C"]]
    with pytest.raises(ConfigError, match="did you mean 'sports'"):
        Dataset.load("amazon2014", domain="sport")


def test_a_domain_without_categories_and_brands_is_read_by_its_titles(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "office")
    assert Dataset.load("amazon2014", domain="office").catalog["C"].describe() == "Bat"


def test_a_file_without_titles_is_told_by_the_column(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "office")
    path = tmp_path / "amazon2014-office" / "items.parquet"
    pl.read_parquet(path).drop("title", "asin").write_parquet(path)
    with pytest.raises(InputError, match="lacks the column\\(s\\) asin, title"):
        Dataset.load("amazon2014", domain="office")


BALLS = [
    pl.Series(["Sports > Balls > Tennis", None, "Sports"]),
    pl.Series([["Sports > Balls > Tennis", "Sports > New"], [], ["Sports"]]),
    pl.Series([["Sports", "Balls", "Tennis"], None, ["Sports"]]),
    pl.Series([[["Sports", "Balls", "Tennis"], ["Sports", "New"]], [], [["Sports"]]]),
]


@pytest.mark.parametrize("categories", BALLS, ids=["text", "texts", "one list", "lists"])
def test_categories_may_be_text_or_lists_of_it(categories, tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "sports", categories=categories)
    catalog = Dataset.load("amazon2014", domain="sports").catalog
    assert catalog.texts(["title", "category"]) == ["Ball. Balls > Tennis", "B", "Bat"]


def test_categories_that_are_no_paths_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "sports", categories=["Balls", None, "Clubs"])
    catalog = Dataset.load("amazon2014", domain="sports").catalog
    assert catalog.texts(["category"]) == ["Balls", "", "Clubs"]


@pytest.mark.parametrize("columns", [{}, {"categories": [None] * 3}, {"categories": [[], [], []]}])
def test_an_item_always_has_a_category_to_ask_for(columns, tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "office", **columns)
    catalog = Dataset.load("amazon2014", domain="office").catalog
    assert catalog.texts(["title", "category"]) == ["Ball", "B", "Bat"]
    assert catalog.table["category"].dtype == pl.String


def test_categories_of_another_kind_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "office", categories=[1, 2, 3])
    with pytest.raises(InputError, match="categories holds Int64"):
        Dataset.load("amazon2014", domain="office")


def sequences(root, domain, **columns):
    pl.DataFrame(columns).write_parquet(root / f"amazon2014-{domain}" / "sequences.parquet")


def test_events_of_items_that_are_not_there_are_counted_and_may_be_left_out(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "sports")
    sequences(tmp_path, "sports", user_asin=["U", "V", "W"], item_ids=[[3, 9, 1], [9, 8], [2]])
    with pytest.raises(InputError) as caught:
        Dataset.load("amazon2014", domain="sports")
    counted = "3 of 6 events are of 2 items that items.parquet lacks, such as '9', '8'"
    assert counted in str(caught.value) and "data.options.unknown=drop" in str(caught.value)
    data = Dataset.load("amazon2014", domain="sports", unknown="drop")
    assert counted in caplog.text
    assert data.users.tolist() == ["U", "W"]
    assert [[data.catalog[int(one)].id for one in row.items] for row in data.sequences] == [
        ["C", "A"],
        ["B"],
    ]
    with pytest.raises(ConfigError, match="unknown is 'dorp'"):
        Dataset.load("amazon2014", domain="sports", unknown="dorp")


def test_sequences_of_another_catalogue_are_refused_even_where_items_may_be_dropped(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "sports")
    sequences(tmp_path, "sports", user_asin=["U"], item_ids=[[7, 8]])
    with pytest.raises(InputError, match="2 of 2 events are of 2 items"):
        Dataset.load("amazon2014", domain="sports", unknown="drop")


def test_users_without_reviewer_ids_keep_their_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "sports")
    # Numbers of another width, as text, and a user of nothing: all of them are understood.
    sequences(tmp_path, "sports", user_id=[7, 5, 6], item_ids=[["3", "1"], [], ["2"]])
    data = Dataset.load("amazon2014", domain="sports")
    assert data.users.tolist() == ["7", "6"] and len(data) == 3


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"item_ids": [[1]]}, "neither 'user_asin' nor 'user_id'"),
        ({"user_id": [1], "item_ids": ["1 2"]}, "item_ids holds String"),
        ({"user_id": [1], "item_ids": [[True]]}, "column 'item_ids' holds Boolean, not ids"),
    ],
)
def test_sequences_of_another_form_are_refused(columns, said, tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "sports")
    sequences(tmp_path, "sports", **columns)
    with pytest.raises(InputError, match=said):
        Dataset.load("amazon2014", domain="sports")


def test_items_that_share_a_number_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    written(tmp_path, "sports", item_id=[1, 2, 1])
    with pytest.raises(InputError, match=r"1 item_id\(s\) more than once, such as '1'"):
        Dataset.load("amazon2014", domain="sports")
