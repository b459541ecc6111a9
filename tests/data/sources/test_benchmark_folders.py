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
