import copy
import os
import stat
import zipfile

import pytest

from genrec.data.media import MediaFolder
from genrec.errors import InputError


@pytest.fixture(params=["folder", "archive"])
def media(request, tmp_path):
    """The same three files in a folder and in a zip archive."""
    files = {"a.jpg": b"first", "deep/er/b.png": b"second", "empty.gif": b""}
    if request.param == "folder":
        root = tmp_path / "files"
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return MediaFolder.at(root)
    with zipfile.ZipFile(tmp_path / "files.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return MediaFolder.at(tmp_path / "files.zip")


def test_files_are_read_by_name(media):
    assert media.read("a.jpg") == b"first"
    assert media.read("deep/er/b.png") == b"second"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent.jpg", "no such file"),
        ("deep", "no plain file|no such file"),
        ("empty.gif", "empty"),
        ("../a.jpg", "leaves the folder"),
        ("deep/../../secret", "leaves the folder"),
        ("/etc/passwd", "leaves the folder"),
        ("deep\\..\\a.jpg", "backslash in it; part folders with /"),
        ("https://shop.example/a.jpg", "an address, and nothing is fetched"),
        ("", "name is empty"),
        ("a\0.jpg", "zero byte"),
        ("x" * 5000, "cannot be read|no such file"),
    ],
)
def test_names_that_reach_no_plain_file_inside_are_refused(media, name, problem):
    with pytest.raises(InputError, match=problem):
        media.read(name)


def test_too_large_a_file_is_refused(media):
    with pytest.raises(InputError, match="6 bytes; at most 5"):
        MediaFolder(media.root, max_bytes=5).read("deep/er/b.png")


def test_links_are_not_followed_wherever_they_lead(tmp_path):
    root = tmp_path / "files"
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jpg").write_bytes(b"secret")
    root.mkdir()
    (root / "real.jpg").write_bytes(b"real")
    (root / "link.jpg").symlink_to(tmp_path / "outside" / "secret.jpg")
    (root / "inside.jpg").symlink_to(root / "real.jpg")
    (root / "way").symlink_to(tmp_path / "outside")
    media = MediaFolder.at(root)
    for name in ("link.jpg", "inside.jpg", "way/secret.jpg"):
        with pytest.raises(InputError, match="link"):
            media.read(name)


def test_a_link_to_the_folder_itself_is_fine(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"1")
    (tmp_path / "way").symlink_to(tmp_path / "files")
    assert MediaFolder.at(tmp_path / "way").read("a") == b"1"


def test_a_pipe_is_refused_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="no plain file"):
        MediaFolder.at(tmp_path).read("pipe.jpg")


def test_a_link_in_an_archive_is_refused(tmp_path):
    entry = zipfile.ZipInfo("link.jpg")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "files.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(InputError, match="link"):
        MediaFolder.at(tmp_path / "files.zip").read("link.jpg")


def test_an_archive_that_unpacks_to_more_than_allowed_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "files.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", b"\0" * 2_000_000)
    assert (tmp_path / "files.zip").stat().st_size < 10_000
    with pytest.raises(InputError, match="2,000,000 bytes"):
        MediaFolder(tmp_path / "files.zip", max_bytes=1_000_000).read("bomb.png")


def test_a_damaged_archive_and_no_folder_at_all_are_named(tmp_path):
    (tmp_path / "no.zip").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="neither a folder nor a whole zip"):
        MediaFolder.at(tmp_path / "no.zip")
    with pytest.raises(InputError, match="no folder or zip archive"):
        MediaFolder.at(tmp_path / "absent")


def test_a_damaged_entry_is_told_from_a_missing_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "files.zip", "w") as archive:
        archive.writestr("a.jpg", b"some content of a file")
    content = bytearray((tmp_path / "files.zip").read_bytes())
    content[content.index(b"some")] ^= 1
    (tmp_path / "files.zip").write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        MediaFolder.at(tmp_path / "files.zip").read("a.jpg")


def test_the_fingerprint_changes_with_a_file_and_only_then(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    names = ["a", "absent", None]
    before = MediaFolder.at(tmp_path).fingerprint(names)
    assert MediaFolder.at(tmp_path).fingerprint(names) == before
    (tmp_path / "a").write_bytes(b"22")
    assert MediaFolder.at(tmp_path).fingerprint(names) != before


def test_an_open_archive_is_not_taken_along_to_another_process(media):
    media.read("a.jpg")
    sent = copy.deepcopy(media)
    assert sent == media and sent._open == {}
    assert sent.read("a.jpg") == b"first"
