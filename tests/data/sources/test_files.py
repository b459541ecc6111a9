import json

import polars as pl
import pytest

from genrec.data.sources.files import read_table
from genrec.errors import ConfigError, InputError


def written(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems_of(path, **options):
    with pytest.raises(InputError) as caught:
        read_table(path, **options)
    return caught.value.problems


def message_of(path, **options):
    with pytest.raises(InputError) as caught:
        read_table(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_csv_cells_stay_as_they_are_written(tmp_path):
    file = read_table(written(tmp_path, "\ufeffid,n\r\n007,1.50\r\nNA,\r\n"))
    assert file.table.rows() == [("007", "1.50"), ("NA", None)]
    assert file.rows(1) == "line 3"


def test_quotes_line_breaks_in_cells_and_blank_lines_keep_the_line_numbers(tmp_path):
    file = read_table(written(tmp_path, 'id,title\n\n1,"two\nlines, one ""cell"""\n2,x\n'))
    assert file.table.rows() == [("1", 'two\nlines, one "cell"'), ("2", "x")]
    assert [file.rows(0), file.rows(1)] == ["line 3", "line 5"]


@pytest.mark.parametrize("quoted", ["z", '"z"'], ids=["plain", "quoted"])
def test_every_ragged_line_is_told(tmp_path, quoted):
    path = written(tmp_path, f"a,b\n1,2\n3\n4,5,6\n7,{quoted}\n")
    assert problems_of(path) == [
        "line 3: 1 field(s), but the header has 2",
        "line 4: 3 field(s), but the header has 2",
    ]


def test_ragged_lines_are_numbered_right_beyond_one_block(tmp_path):
    text = "a,b\n" + "1,2\n" * 5_000_000 + "3\n" + "1,2\n"
    assert problems_of(written(tmp_path, text)) == [
        "line 5000002: 1 field(s), but the header has 2"
    ]


def test_an_open_quote_is_told_with_the_line_on_which_it_begins(tmp_path):
    problems = problems_of(written(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n'))
    assert len(problems) == 1 and problems[0].startswith("line 3: unexpected end of data")


def test_other_separators_are_taken_when_said_and_guessed_for_the_message(tmp_path):
    path = written(tmp_path, "a;b\n1;2\n")
    assert read_table(path, separator=";").table.rows() == [("1", "2")]
    assert "separator=';'" in message_of(path)
    assert read_table(written(tmp_path, "a\tb\n1\t2\n", "t.tsv")).table.rows() == [("1", "2")]


def test_a_wrong_encoding_is_told_by_line_and_read_when_named(tmp_path):
    path = written(tmp_path, "a\nx\ncaf\xe9\n".encode("latin-1"))
    assert problems_of(path) == ["line 3: byte 0xe9 is not utf-8"]
    assert read_table(path, encoding="latin-1").table["a"].to_list() == ["x", "café"]
    with pytest.raises(ConfigError, match="no encoding 'klingon'"):
        read_table(path, encoding="klingon")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (b"", "is empty"),
        (b"\n\n", "blank lines only"),
        (b"a,b\n", "no rows"),
        (b"a,a\n1,2\n", "no usable header"),
        (b"a,\n1,2\n", "column 2 has no name"),
        (b"a,b\n1,\0\n", "line 2: a NUL byte"),
        (b"\x1f\x8b123", "gzip"),
        (b"PAR1....PAR1", "format='parquet'"),
    ],
)
def test_files_that_are_no_csv_say_what_they_are(tmp_path, text, part):
    assert part in message_of(written(tmp_path, text))


def test_jsonl_keeps_kinds_and_mixes_become_text(tmp_path):
    lines = [{"id": 1, "tags": ["a"], "x": 1}, {"id": 2, "x": "two"}, {"id": 3, "x": {"y": 1}}]
    path = written(tmp_path, "\n\n".join(map(json.dumps, lines)), "t.jsonl")
    file = read_table(path)
    assert file.table.rows() == [(1, ["a"], "1"), (2, None, "two"), (3, None, '{"y": 1}')]
    assert file.rows(1) == "line 3"


def test_every_broken_line_of_jsonl_is_told(tmp_path):
    path = written(tmp_path, '{"a": 1}\n{"a":\n[1]\n"\\ud800"\n{"a": "\\ud800"}\n', "t.jsonl")
    starts = [problem.partition(" (")[0] for problem in problems_of(path)]
    assert starts == [
        "line 2: not JSON",
        "line 3: a list, not an object {…}",
        "line 4: not JSON",
        "line 5: not JSON",
    ]


def test_parquet_that_is_cut_off_or_damaged_is_one_plain_error(tmp_path):
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"a": list(range(1000))}).write_parquet(whole)
    data = whole.read_bytes()
    assert read_table(whole).table.height == 1000
    assert "is cut off" in message_of(written(tmp_path, data[:-10], "cut.parquet"))
    assert "is no parquet file" in message_of(written(tmp_path, b"a,b\n", "csv.parquet"))
    hollow = b"PAR1" + bytes(100) + b"PAR1"
    assert "damaged" in message_of(written(tmp_path, hollow, "hollow.parquet"))


def test_paths_and_options_that_lead_nowhere_are_said(tmp_path):
    assert "does not exist" in message_of(tmp_path / "none.csv")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert "cannot be read" in message_of(folder)
    with pytest.raises(ConfigError, match="ends in none of"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(ConfigError, match="did you mean 'csv'"):
        read_table(tmp_path / "t.csv", format="cvs")
    with pytest.raises(ConfigError, match="one character"):
        read_table(tmp_path / "t.csv", separator="||")
