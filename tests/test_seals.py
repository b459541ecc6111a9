"""What artefacts say of themselves, now and in the format before."""

import json
import shutil

import numpy as np
import pytest

from genrec.errors import ArtefactError
from genrec.seals import COMMON_FORMAT, SEAL, Seal, format_of
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.workspace import open_artefact, seal_of, write_artefact


@pytest.fixture
def golden(repository, tmp_path):
    """Semantic IDs of 12 items as format 1 sealed them."""
    kept = repository / "tests" / "golden" / "format_1" / "semantic_ids"
    return shutil.copytree(kept, tmp_path / "semantic_ids")


def test_an_artefact_of_the_format_before_is_read_as_ever(golden):
    assert json.loads((golden / SEAL).read_text())["format"] == 1
    tokenizer, index = SemanticIdTokenizer.load(golden)
    assert index.codes[:3].tolist() == [[1, 2], [0, 0], [1, 3]]
    assert str(index.semantic_id("i3")) == "<a_3><b_2>"
    assert tokenizer.quality.items == 12
    assert open_artefact(golden, "semantic_ids") == {"key": "made by format 1"}


def test_what_depends_on_its_content_does_not_notice_the_format(golden, tmp_path):
    before = seal_of(golden)
    assert before == "65efc2987ca3d954"  # pragma: allowlist secret
    with write_artefact(tmp_path / "again", "semantic_ids", key="made anew") as folder:
        for file in Seal.read(golden).files:
            shutil.copy(golden / file, folder / file)
    assert json.loads((tmp_path / "again" / SEAL).read_text())["format"] == COMMON_FORMAT
    assert seal_of(tmp_path / "again") == before
    _, index = SemanticIdTokenizer.load(tmp_path / "again")
    assert np.array_equal(index.codes, SemanticIdTokenizer.load(golden)[1].codes)


def test_damage_is_found_in_the_format_before_too(golden):
    levels = golden / "levels.json"
    levels.write_text(levels.read_text() + " ")
    with pytest.raises(ArtefactError, match=r"levels\.json \(changed or truncated\)"):
        open_artefact(golden, "semantic_ids")


def test_a_truncated_file_is_told_by_its_size(tmp_path):
    with write_artefact(tmp_path / "x", "numbers") as folder:
        (folder / "a.bin").write_bytes(b"12345678")
    (tmp_path / "x" / "a.bin").write_bytes(b"123")
    with pytest.raises(ArtefactError, match=r"a\.bin \(changed or truncated: 3 of 8 bytes\)"):
        open_artefact(tmp_path / "x", "numbers")


def test_a_seal_says_who_wrote_it(tmp_path):
    with write_artefact(tmp_path / "x", "numbers"):
        pass
    assert {"python", "genrec", "polars"} <= set(Seal.read(tmp_path / "x").made_by)


def test_a_newer_format_is_refused_with_who_wrote_it_and_what_to_do(tmp_path):
    with write_artefact(tmp_path / "x", "numbers"):
        pass
    seal = tmp_path / "x" / SEAL
    newer = {**json.loads(seal.read_text()), "format": format_of("numbers") + 1}
    newer["made_by"] = {"genrec": "7.1.0"}
    # Whatever else a newer format has, its number is looked at first.
    newer["files"] = "elsewhere"
    seal.write_text(json.dumps(newer))
    newer_still = r"format 3, written by genrec 7\.1\.0.*Upgrade genrec"
    with pytest.raises(ArtefactError, match=newer_still) as error:
        open_artefact(tmp_path / "x", "numbers")
    # No package index has it.
    assert "pip install --upgrade genrec" not in str(error.value)
    assert all(words in str(error.value) for words in ("in a checkout", "wheel"))


@pytest.mark.parametrize("harm", ["{", "[]", '{"kind": "numbers", "format": 2, "files": {"a": 1}}'])
def test_a_damaged_seal_is_named(tmp_path, harm):
    with write_artefact(tmp_path / "x", "numbers"):
        pass
    (tmp_path / "x" / SEAL).write_text(harm)
    with pytest.raises(ArtefactError, match=r"artefact\.json is missing or damaged"):
        open_artefact(tmp_path / "x", "numbers")
