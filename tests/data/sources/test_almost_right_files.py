"""Files of public data sets that are almost as they should be: packed, renamed, saved anew."""

import gzip

import pytest

from genrec.data.dataset import Dataset
from genrec.errors import InputError
from tests.data.sources import small_downloads as small


def refused(source, folder, **options):
    with pytest.raises(InputError) as error:
        Dataset.load(source, folder=folder, **options)
    return str(error.value)


def rewritten(path, change, encoding="utf-8"):
    path.write_text(change(path.read_text(encoding)), encoding)


def test_a_packed_file_is_to_be_unpacked(tmp_path):
    small.ml_1m(tmp_path)
    plain = tmp_path / "ratings.dat"
    (tmp_path / "ratings.dat.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    said = refused("movielens", tmp_path, edition="ml-1m")
    assert "ratings: ratings.dat (ratings.dat.gz is there: unpack it)" in said


@pytest.mark.parametrize(
    ("write", "source", "options", "below"),
    [
        (small.ml_1m, "movielens", {"edition": "ml-1m"}, "ml-1m"),
        (small.mind, "mind", {"parts": ["dev"]}, "MIND [small]"),
    ],
)
def test_files_of_a_folder_below_are_told_with_it(write, source, options, below, tmp_path):
    write(tmp_path / below)
    said = refused(source, tmp_path, **options)
    assert f"(it is in {tmp_path / below}: name that folder)" in said
    assert len(Dataset.load(source, folder=tmp_path / below, **options))


def test_a_domain_in_other_letters_is_told(tmp_path):
    small.amazon2023(tmp_path)
    said = refused("amazon_reviews", tmp_path, domain="tools")
    assert "(Tools.jsonl is there: mind the capitals)" in said
    assert "(meta_Tools.jsonl.gz is there: mind the capitals)" in said


def test_where_every_row_is_broken_leaving_them_out_is_no_advice(tmp_path):
    small.ml_25m(tmp_path)
    rewritten(tmp_path / "ratings.csv", lambda text: text.replace(",14", ",yesterday 14"))
    said = refused("movielens", tmp_path, edition="ml-25m")
    assert "so none that can be used" in said
    assert "broken=drop" not in said


@pytest.mark.parametrize(
    ("write", "source", "options", "file"),
    [
        (small.amazon2023, "amazon_reviews", {"domain": "Tools"}, "Tools.jsonl"),
        (small.microlens, "microlens", {}, "MicroLens-50k_pairs.csv"),
    ],
)
def test_seconds_are_not_taken_for_milliseconds(write, source, options, file, tmp_path):
    write(tmp_path)
    for number in ("000", "123"):
        rewritten(tmp_path / file, lambda text, end=number: text.replace(end + "\n", "\n"))
        rewritten(tmp_path / file, lambda text, end=number: text.replace(end + ",", ","))
    said = refused(source, tmp_path, **options)
    assert f"{file} counts times such as 1400000000, which in milliseconds lie before 1990" in said


@pytest.mark.parametrize("write", [small.ml_1m, small.ml_100k])
def test_titles_are_read_in_the_makers_encoding_and_in_utf_8(write, tmp_path):
    write(tmp_path)
    edition = "ml-1m" if write is small.ml_1m else "ml-100k"
    file = tmp_path / ("movies.dat" if write is small.ml_1m else "u.item")
    made = [
        item.title for item in Dataset.load("movielens", folder=tmp_path, edition=edition).catalog
    ]
    file.write_text(file.read_text("latin-1"), "utf-8")
    anew = [
        item.title for item in Dataset.load("movielens", folder=tmp_path, edition=edition).catalog
    ]
    assert made == anew
    assert all("Café" in title for title in made)


def test_films_without_an_entry_are_known_by_their_ids(tmp_path, caplog):
    small.ml_25m(tmp_path)
    rewritten(tmp_path / "movies.csv", lambda text: text[: text.index("11,")])
    data = Dataset.load("movielens", folder=tmp_path, edition="ml-25m")
    assert len(data.catalog) == small.ITEMS
    assert len(data) == small.USERS * small.EVENTS
    assert data.catalog["11"].title == "11"
    assert "Café" in data.catalog["10"].title
    assert "2 of 12 rated films have no entry, such as '11'" in caplog.text


def test_invoices_lie_in_the_folder_of_their_name_too(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    small.online_retail(tmp_path / "online-retail")
    assert len(Dataset.load("online_retail")) == small.USERS * small.EVENTS


def test_a_spreadsheet_saved_with_semicolons_is_to_be_saved_with_commas(tmp_path):
    small.online_retail(tmp_path)
    rewritten(
        tmp_path / "Online Retail.csv", lambda text: text.replace(",", ";"), encoding="latin-1"
    )
    assert "Save it with ',' between its fields, not ';'" in refused("online_retail", tmp_path)


def test_films_without_any_folder_say_where_they_are_to_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_DATA", str(tmp_path))
    said = refused("movielens", None)
    assert "3 file(s) of MovieLens 100K" in said
    assert "data.options.folder=…" in said
    assert "data.options.folder=MiniOneRec/data/Amazon" in refused("minionerec", None)
