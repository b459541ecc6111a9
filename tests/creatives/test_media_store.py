import hashlib

import pytest

from genrec.creatives.media import FILM, PICTURE, MediaJob, Medium, Says
from genrec.creatives.media_store import MediaStore
from genrec.errors import StorageError


def medium(number, kind=PICTURE, **more):
    content = f"content {number}".encode()
    return Medium(
        id=f"{number:032x}",
        kind=kind,
        item="p1",
        language="en",
        layout="square",
        file="png" if kind == PICTURE else "mp4",
        content=hashlib.sha256(content).hexdigest(),
        notes=("a note",),
        tries=((), ("halo",)),
        steps=(("c2pa.addedText", "words"),),
        **more,
    ), content


def test_what_was_kept_is_found_whole(tmp_path):
    store = MediaStore(tmp_path / "own")
    for number in range(3):
        store.write(*medium(number))
    one, content = medium(1)
    fresh = MediaStore(tmp_path / "own")
    assert fresh.find([one.id, "f" * 32]) == {one.id: one}
    assert fresh.read(one) == content
    assert Medium.from_json(one.to_json()) == one


def test_campaigns_share_what_one_of_them_made(tmp_path):
    shared = tmp_path / "shared"
    one, content = medium(7)
    MediaStore(tmp_path / "a", shared).write(one, content)
    other = MediaStore(tmp_path / "b", shared)
    assert other.find([one.id]) == {one.id: one}
    assert other.read(one) == content
    assert (tmp_path / "b" / one.name).samefile(shared / one.name)
    # It was found, not made: no budget counts it.
    assert other.counts() == {}
    assert MediaStore(tmp_path / "a", shared).counts() == {PICTURE: 1}


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "line"])
def test_what_is_damaged_is_not_there(tmp_path, damage):
    shared = tmp_path / "shared"
    one, content = medium(3, FILM)
    MediaStore(shared).write(one, content)
    file = shared / one.name
    if damage == "line":
        file.with_suffix(".json").write_text('{"id": ')
    elif damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:3] if damage == "cut" else b"")
    store = MediaStore(tmp_path / "own", shared)
    assert store.find([one.id]) == {}
    assert store.broken == 1
    store.write(one, content)
    assert MediaStore(tmp_path / "more", shared).find([one.id]) == {one.id: one}


def test_what_cannot_be_made_is_kept_here_and_tried_again_elsewhere(tmp_path):
    shared = tmp_path / "shared"
    failed = Medium("a" * 32, PICTURE, "p1", "en", "square", failure="the item has no photo")
    MediaStore(tmp_path / "own", shared).write(failed, b"")
    assert MediaStore(tmp_path / "own", shared).find([failed.id]) == {failed.id: failed}
    assert MediaStore(tmp_path / "other", shared).find([failed.id]) == {}


def test_a_full_disk_keeps_what_was_written_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    import errno
    import os

    store = MediaStore(tmp_path / "own")
    store.write(*medium(1))
    real = os.replace

    def full(source, target):
        if str(target).endswith(f"{2:032x}.json"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        store.write(*medium(2))
    monkeypatch.undo()
    fresh = MediaStore(tmp_path / "own")
    fresh.clean()
    assert list(fresh.find(medium(number)[0].id for number in (1, 2))) == [medium(1)[0].id]
    assert not list((tmp_path / "own").glob("??/.*"))


def test_a_job_travels_between_processes():
    job = MediaJob("a" * 32, PICTURE, "p1", -1, "en", 0, "square", Says("Lamp", ("Linen",)))
    assert job.says.lines == ("Linen",)
    assert hash(job) == hash(MediaJob("a" * 32, PICTURE, "p1", -1, "en", 0, "square", job.says))
