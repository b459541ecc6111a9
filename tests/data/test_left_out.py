import pytest

from genrec.data.left_out import LEFT_OUT, list_left_out, read_left_out, told
from genrec.data.media import MediaProblem
from genrec.errors import ArtefactError

PROBLEMS = (
    MediaProblem("007", "a, b.jpg", 'it is "truncated"'),
    MediaProblem("1\n2", "ü.png", ""),
)


def test_what_was_listed_is_read_again(tmp_path):
    list_left_out(PROBLEMS, tmp_path)
    assert (tmp_path / LEFT_OUT).read_text().startswith("item_id,file,problem\n007,")
    assert read_left_out(tmp_path) == PROBLEMS
    assert told(PROBLEMS, tmp_path) == f"; 2 files left out, see {tmp_path / LEFT_OUT}"


def test_where_all_was_used_there_is_no_list(tmp_path):
    list_left_out((), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert read_left_out(tmp_path) == ()
    assert told((), tmp_path) == ""


def test_a_damaged_list_is_told_by_name(tmp_path):
    (tmp_path / LEFT_OUT).write_bytes(b"item_id,file\n1,2,3,4,5\n\xff")
    with pytest.raises(ArtefactError, match="holds no list of files, or a damaged one"):
        read_left_out(tmp_path)
