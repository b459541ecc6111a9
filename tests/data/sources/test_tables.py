import io
import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError, InputError
from genrec.recommenders.groups import HistoryGroups


def written(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(**options):
    with pytest.raises(InputError) as caught:
        Dataset.load("tables", **options)
    return caught.value


def test_two_csv_files_with_their_own_column_names_become_a_data_set(tmp_path):
    events = written(
        tmp_path, "events.csv", "customer,sku,when\n9,02,2024-01-02\n9,01,2024-01-01\n"
    )
    items = written(tmp_path, "items.csv", "sku,name,price,stars,code\n01,Tea,2.5,4,007\n02,,,,1\n")
    data = Dataset.load(
        "tables",
        interactions=events,
        items=items,
        columns={"user_id": "customer", "item_id": "sku", "time": "when", "title": "name"},
    )
    assert data.name == "events" and data.users.tolist() == ["9"]
    assert [data.catalog[i].title for i in data.history("9").items] == ["Tea", "02"]
    tea = data.catalog["01"]
    assert tea.price == 2.5 and dict(tea.attributes) == {"stars": 4, "code": "007"}


def test_without_items_the_catalogue_is_the_ids(tmp_path):
    lines = '{"user_id": 1, "item_id": 5}\n{"user_id": 1, "item_id": 4}'
    path = written(tmp_path, "e.jsonl", lines)
    assert Dataset.load("tables", interactions=path).catalog.ids == ["5", "4"]


def test_formats_may_be_mixed(tmp_path):
    path = tmp_path / "e.parquet"
    pl.DataFrame({"user_id": [1], "item_id": [2], "time": [10]}).write_parquet(path)
    items = written(tmp_path, "i.tsv", "item_id\ttitle\tcolour\n2\tCup\tred\n")
    data = Dataset.load("tables", interactions=path, items=items)
    assert data.catalog[0].describe() == "Cup. colour: red"


def test_every_problem_of_a_file_is_told_with_its_line(tmp_path):
    text = "user_id,item_id,time\nu,a,2024-01-01\n,b,soon\nu,x,\n"
    items = written(tmp_path, "i.csv", "item_id,title\na,A\nb,B\n")
    error = refused(interactions=written(tmp_path, "e.csv", text), items=items)
    assert sorted(error.problems) == [
        "line 3: time 'soon' is neither a number nor an ISO date such as 2024-05-31T18:30:00",
        "line 3: user_id is empty",
        "line 4: item 'x' is not in the catalogue (add it, or pass unknown='drop')",
        "line 4: time is empty",
    ]
    assert str(tmp_path / "e.csv") in str(error)


def test_problems_of_both_files_are_told_together(tmp_path):
    events = written(tmp_path, "e.csv", "user_id,item_id\n,a\n")
    items = written(tmp_path, "i.csv", "item_id,title,price\na,A,1\na,B,cheap\n")
    error = refused(interactions=events, items=items)
    text = "\n".join(error.problems)
    assert "e.csv" in text and "line 2: user_id is empty" in text
    assert "i.csv" in text and "line 3: item_id 'a' stands in an earlier row too" in text
    assert "line 3: price is cheap" in text


def test_missing_columns_are_told_with_the_nearest_name(tmp_path):
    path = written(tmp_path, "e.csv", "user,item_id\nu,a\n")
    assert refused(interactions=path).problems == [
        "no column 'user_id' for user_id; did you mean 'user'?"
    ]
    mapped = refused(interactions=path, columns={"user_id": "user", "time": "ts"})
    assert "no column 'ts' for time" in mapped.problems[0]


def test_a_column_that_looks_like_the_time_is_never_silently_left_out(tmp_path):
    path = written(tmp_path, "e.csv", "user_id,item_id,timestamp\nu,a,1\n")
    message = str(refused(interactions=path))
    assert "columns={'time': 'timestamp'} in Python" in message
    assert "columns: {time: timestamp} under data.options of a recipe" in message


def test_a_file_without_times_says_that_its_order_counts(tmp_path, caplog):
    events, items = tmp_path / "events.csv", tmp_path / "items.csv"
    events.write_text("user_id,item_id,when\nu,a,3\nu,b,1\n")
    items.write_text("item_id,title,in_stock,size\na,A,true,7\nb,B,False,8\n")
    data = Dataset.load("tables", interactions=str(events), items=str(items))
    assert "order of its rows" in caplog.text
    assert "Columns not used: when." in caplog.text
    assert data.catalog["a"].attributes == {"in_stock": True, "size": 7}
    assert data.catalog["b"].attributes == {"in_stock": False, "size": 8}


def test_options_that_do_not_exist_are_answered(tmp_path):
    path = written(tmp_path, "e.csv", "user_id,item_id\nu,a\n")
    with pytest.raises(ConfigError, match="mapping has 'user'; did you mean 'user_id'"):
        Dataset.load("tables", interactions=path, columns={"user": "u"})
    with pytest.raises(ConfigError, match=r"no option 'colums' \(did you mean 'columns'"):
        Dataset.load("tables", interactions=path, colums={})
    with pytest.raises(ConfigError, match="needs the option\\(s\\) interactions"):
        Dataset.load("tables")
    with pytest.raises(ConfigError, match="no data source 'tabels'; did you mean 'tables'"):
        Dataset.load("tabels")


def test_items_alone_are_what_nobody_has_chosen_yet(tmp_path):
    items = written(tmp_path, "wares.csv", "item_id,title,photo\na,Tea,a.jpg\nb,Cup,\n")
    (tmp_path / "photos").mkdir()
    written(tmp_path / "photos", "a.jpg", b"bytes")
    data = Dataset.load(
        "tables", items=items, media=tmp_path / "photos", item_columns={"image": "photo"}
    )
    assert (data.name, len(data), len(data.users)) == ("wares", 0, 0)
    assert data.catalog.ids == ["a", "b"] and data.catalog.media.read("a.jpg") == b"bytes"
    with pytest.raises(InputError, match="wares has no events: .* the split 'last-out' needs"):
        data.split("last-out")
    with pytest.raises(InputError, match="wares has no events: .* a core of 3 needs"):
        data.core(3)


def test_photos_may_be_called_as_their_items_are(tmp_path):
    items = written(tmp_path, "items.csv", "item_id,title,hue\n007,Tea,red\nb,Cup,blue\n")
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    written(tmp_path / "photos" / "deep", "007.JPG", b"bytes")
    written(tmp_path / "photos", "b.txt", b"no photo")
    names = {"colour": "hue"}
    data = Dataset.load("tables", items=items, media=tmp_path / "photos", item_columns=names)
    assert data.catalog.files("image") == ["deep/007.JPG", None]
    assert data.catalog.attribute_names == ["colour"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match=r"no column 'image', and .*empty has no photo .*'007\.jpg'"
    ):
        Dataset.load("tables", items=items, media=tmp_path / "empty")
    with pytest.raises(InputError, match="no column 'shade' for colour"):
        Dataset.load("tables", items=items, item_columns={"colour": "shade"})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_events_of_a_header_alone_are_no_events_where_there_are_items(tmp_path, ending, caplog):
    path = tmp_path / f"events.{ending}"
    empty = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String, "time": pl.String})
    empty.write_csv(path) if ending == "csv" else empty.write_parquet(path)
    items = written(tmp_path, "items.csv", "item_id,title\na,Tea\n")
    data = Dataset.load("tables", interactions=path, items=items)
    assert len(data) == 0 and data.catalog.ids == ["a"]
    assert f"{path} has a header and no rows: nobody has chosen an item yet" in caplog.text
    assert "needed" in str(refused(interactions=path))
    wrong = written(tmp_path, "wrong.csv", "user,item_id\n")
    assert "no column 'user_id'" in refused(interactions=wrong, items=items).problems[0]


def test_a_file_of_users_says_what_groups_them(tmp_path, caplog):
    events = written(tmp_path, "e.csv", "who,item_id,time\n01,a,1\n02,a,2\n03,b,3\n")
    text = "who,segment,age\n02,Bakers,40\n01,Cooks & co,\n09,Bakers,7\n"
    users = written(tmp_path, "u.csv", text)
    data = Dataset.load("tables", interactions=events, users=users, columns={"user_id": "who"})
    assert data.user_table.columns == ["user_id", "segment", "age"]
    assert data.user_table["age"].to_list() == [40, None, 7]
    groups = HistoryGroups.of(data, "segment")
    assert groups.names == ("bakers", "cooks-co")
    assert [groups.number(data.history(user)) for user in ("01", "02", "03")] == [1, 0, -1]
    assert "1 of 3 users are not in" in caplog.text and "such as '03'" in caplog.text
    with pytest.raises(ConfigError, match="did you mean 'segment'"):
        HistoryGroups.of(data, "segmnt")


def test_every_problem_of_a_file_of_users_is_told(tmp_path):
    events = written(tmp_path, "e.csv", "user_id,item_id,time\nu,a,1\n")
    users = written(tmp_path, "u.csv", "user_id,kind\nu,x\n,x\nu,y\n")
    assert sorted(refused(interactions=events, users=users).problems) == [
        "line 3: user_id is empty",
        "line 4: user_id 'u' stands in an earlier row too",
    ]
    others = written(tmp_path, "o.jsonl", '{"user_id": 7, "kind": "x"}')
    error = refused(interactions=events, users=others)
    assert "none of the 1 users" in str(error) and "'u', those of the file '7'" in str(error)
    bare = written(tmp_path, "b.csv", "customer,kind\nu,x\n")
    assert "no column 'user_id'" in str(refused(interactions=events, users=bare))
    pl.DataFrame({"user_id": ["u"], "kinds": [["x"]]}).write_parquet(tmp_path / "l.parquet")
    error = refused(interactions=events, users=tmp_path / "l.parquet")
    assert error.problems == ["column 'kinds' holds List(String), not text or numbers"]
    pl.DataFrame(schema={"user_id": pl.String}).write_parquet(tmp_path / "n.parquet")
    assert "no rows" in str(refused(interactions=events, users=tmp_path / "n.parquet"))


def outcome(**options):
    """A data set or an input error; anything else fails the test."""
    try:
        return Dataset.load("tables", **options)
    except InputError as error:
        assert str(error)
        return None


FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HEADERS = st.sampled_from([b"", b"user_id,item_id\n", b"user_id,item_id,time\n", b"PAR1", b"{"])


@FUZZ
@given(HEADERS, st.binary(max_size=200), st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_random_bytes_give_a_data_set_or_an_input_error(tmp_path, head, tail, kind):
    path = written(tmp_path, f"e.{kind}", head + tail)
    data = outcome(interactions=path)
    assert data is None or len(data) > 0


CELL = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
    st.sampled_from(["a", "b", "2024-01-01", "1700000000", 1_700_000_000]),
)
ROWS = st.lists(
    st.fixed_dictionaries({"user_id": CELL, "item_id": CELL}, optional={"time": CELL}),
    max_size=8,
)


@FUZZ
@given(ROWS, ROWS)
def test_random_records_give_a_data_set_or_an_input_error(tmp_path, rows, items):
    events = written(tmp_path, "e.jsonl", "\n".join(map(json.dumps, rows)))
    renamed = [{"item_id": r["item_id"], "title": r["user_id"], **r} for r in items]
    catalogue = written(tmp_path, "i.jsonl", "\n".join(map(json.dumps, renamed)))
    for options in ({}, {"items": catalogue}, {"items": catalogue, "unknown": "drop"}):
        data = outcome(interactions=events, **options)
        assert data is None or data.events["item"].max() < len(data.catalog)


@FUZZ
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=1, max_size=4),
        max_size=8,
    ),
    st.booleans(),
)
def test_random_csv_tables_give_a_data_set_or_an_input_error(tmp_path, rows, quoted):
    mark = '"' if quoted else ""
    lines = [",".join(f"{mark}{cell}{mark}" for cell in row) for row in rows]
    text = "\n".join(["user_id,item_id,time", *lines])
    data = outcome(interactions=written(tmp_path, "e.csv", text.encode("utf-8")))
    assert data is None or len(data) > 0


COLUMN = st.sampled_from(
    [
        pl.Series([1, 2, None]),
        pl.Series([1.5, float("nan"), None]),
        pl.Series(["a", "b", ""]),
        pl.Series([[1], [2], None]),
        pl.Series([b"a", b"\xff", b""]),
        pl.Series([True, False, None]),
        pl.Series([None, None, None]),
        pl.Series([{"x": 1}] * 3),
        pl.Series(["a", "b", "a"], dtype=pl.Categorical),
        pl.Series([1, 2, 3]).cast(pl.Decimal(10, 2)),
        pl.Series([1, 2, 3]).cast(pl.Date),
        pl.Series([1, 2, 3]).cast(pl.Time),
        pl.Series([1, 2, 3]).cast(pl.Duration("ms")),
        pl.Series([2**63, 1, 2], dtype=pl.UInt64),
        pl.Series([1_700_000_000_000] * 3),
        pl.Series(["2024-01-01", "1", "x"]),
    ]
)


@FUZZ
@given(COLUMN, COLUMN, COLUMN, COLUMN, st.integers(0, 3000), st.integers(0, 255))
def test_any_parquet_even_with_a_flipped_byte_gives_a_data_set_or_an_input_error(
    tmp_path, user, item, time, basket, place, byte
):
    table = pl.DataFrame({"user_id": user, "item_id": item, "time": time, "basket_id": basket})
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    data = bytearray(buffer.getvalue())
    outcome(interactions=written(tmp_path, "e.parquet", bytes(data)))
    data[place % len(data)] = byte
    result = outcome(interactions=written(tmp_path, "e.parquet", bytes(data)))
    assert result is None or result.events.null_count().sum_horizontal()[0] == 0


def test_items_of_own_tables_have_their_files_in_a_folder_or_an_archive(tmp_path):
    events = written(tmp_path, "events.csv", "user_id,item_id,time\n1,a,1\n1,b,2\n")
    items = written(tmp_path, "items.csv", "item_id,title,photo\na,Tea,a.jpg\nb,Cup,\n")
    (tmp_path / "photos").mkdir()
    written(tmp_path / "photos", "a.jpg", b"bytes")
    options = {"interactions": events, "items": items, "item_columns": {"image": "photo"}}
    data = Dataset.load("tables", media=tmp_path / "photos", **options)
    assert data.catalog.media.read(data.catalog["a"].image) == b"bytes"
    assert data.catalog["b"].image is None
    assert "photo" not in data.catalog.attribute_names
    assert "no folder or zip archive" in str(refused(media=tmp_path / "absent", **options))
