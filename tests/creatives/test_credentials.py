import io
import json

import numpy as np
import pytest

pytest.importorskip("c2pa", reason="needs the extra 'credentials'")
pytest.importorskip("PIL", reason="needs the extra 'images'")

from PIL import Image

from genrec.creatives.certificate import CERTIFICATE_VARIABLE, KEY_VARIABLE, SigningCertificate
from genrec.creatives.credentials import (
    ALGORITHMIC,
    COMPOSITE,
    IPTC,
    TRAINED,
    Claims,
    Ingredient,
    Signer,
    check,
    has_credentials,
    manifest_of,
    sign,
)
from genrec.creatives.film.mux import encode, inspect
from genrec.creatives.xmp import kind_of
from genrec.errors import ConfigError, InputError, StorageError

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
CLAIMS = Claims(
    "poster of p1", COMPOSITE, 41, "small-model", "ab" * 16, (("c2pa.addedText", "headline"),)
)


@pytest.fixture(scope="module")
def signer():
    return Signer(SigningCertificate.made())


def file_of(kind, **how):
    target = io.BytesIO()
    Image.fromarray(PIXELS).save(target, kind, **how)
    return target.getvalue()


def film():
    return encode([PIXELS] * 4, size=(64, 48), fps=4).content


@pytest.mark.parametrize(
    ("name", "how"), [("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("WEBP", {"lossless": True})]
)
def test_a_signed_picture_verifies_and_has_the_same_pixels(signer, tmp_path, name, how):
    content = file_of(name, **how)
    made = signer.write(tmp_path / f"a.{name.lower()}", content, CLAIMS)
    assert check(made.path) == ("Valid", [])
    before, after = (
        np.asarray(Image.open(io.BytesIO(one))) for one in (content, made.path.read_bytes())
    )
    assert np.array_equal(before, after)
    with Image.open(made.path) as picture:
        xmp = picture.info["xmp"].decode()
    assert f'DigitalSourceType="{IPTC}{COMPOSITE}"' in xmp
    assert made.self_signed


def test_a_signed_film_verifies_and_plays(signer, tmp_path):
    pytest.importorskip("av", reason="needs the extra 'media'")
    made = signer.write(tmp_path / "a.mp4", film(), CLAIMS)
    assert check(made.path) == ("Valid", [])
    seen = inspect(made.path.read_bytes())
    assert (seen.frames, seen.size, seen.index_first) == (4, (64, 48), True)


def test_the_manifest_says_what_the_claims_say(signer, tmp_path):
    made = signer.write(tmp_path / "a.png", file_of("PNG"), CLAIMS)
    whole = manifest_of(made.path)
    manifest = whole["manifests"][whole["active_manifest"]]
    assertions = {one["label"]: one["data"] for one in manifest["assertions"]}
    created, added = assertions["c2pa.actions.v2"]["actions"]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"] == f"{IPTC}{COMPOSITE}"
    assert created["softwareAgent"]["name"] == "small-model"
    assert added["action"] == "c2pa.addedText"
    making = assertions["org.genrec.making"]
    assert (making["seed"], making["prompt_sha256"]) == (41, "ab" * 16)
    assert making["self_signed"] is True
    assert manifest["claim_generator_info"][0]["name"] == "genrec"
    told = json.loads(made.sidecar.read_text())
    assert (told["seed"], told["source"]) == (41, f"{IPTC}{COMPOSITE}")
    assert told["file_sha256"] == made.sha256


def test_what_a_photo_says_of_itself_is_kept(signer, tmp_path):
    photo = signer.signed(file_of("JPEG"), Claims("camera", ALGORITHMIC, 1))
    made = signer.write(tmp_path / "a.png", file_of("PNG"), CLAIMS, (Ingredient("photo", photo),))
    whole = manifest_of(made.path)
    assert len(whole["manifests"]) == 2
    (ingredient,) = whole["manifests"][whole["active_manifest"]]["ingredients"]
    kept = whole["manifests"][ingredient["active_manifest"]]
    assert kept["title"] == "camera"
    assert check(made.path) == ("Valid", [])


@pytest.mark.parametrize("part", ["pixels", "manifest"])
def test_one_changed_byte_is_found(signer, tmp_path, part):
    made = signer.write(tmp_path / "a.png", file_of("PNG"), CLAIMS)
    content = bytearray(made.path.read_bytes())
    at = len(content) - 60 if part == "pixels" else content.index(b"small-model") + 3
    content[at] ^= 1
    made.path.write_bytes(content)
    state, problems = check(made.path)
    assert state not in ("Valid", "Trusted")
    assert problems


def test_a_file_without_credentials_says_so(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(file_of("PNG"))
    assert not has_credentials(path.read_bytes())
    state, problems = check(path)
    assert (state, problems[0][:14]) == ("none", "no credentials")


def test_a_certificate_of_the_user_signs(tmp_path):
    own = SigningCertificate.made()
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(own.chain)
    key.write_bytes(own.key)
    found = SigningCertificate.found(
        environment={CERTIFICATE_VARIABLE: str(chain), KEY_VARIABLE: str(key)}
    )
    assert not found.self_signed
    assert found.fingerprint == own.fingerprint
    path = tmp_path / "a.png"
    path.write_bytes(file_of("PNG"))
    made = sign(path, CLAIMS, certificate=found)
    assert not made.self_signed
    assert json.loads(made.sidecar.read_text())["certificate"] == own.fingerprint


def test_a_certificate_that_cannot_sign_is_refused_before_anything_is_made(tmp_path):
    one, other = SigningCertificate.made(), SigningCertificate.made()
    chain, key, text = (tmp_path / name for name in ("chain.pem", "key.pem", "text.pem"))
    chain.write_bytes(one.chain)
    key.write_bytes(other.key)
    text.write_text("no certificate")
    with pytest.raises(ConfigError, match="does not belong to"):
        SigningCertificate.read(chain, key)
    with pytest.raises(ConfigError, match="is no PEM without a password"):
        SigningCertificate.read(text, key)
    with pytest.raises(ConfigError, match="cannot be read"):
        SigningCertificate.read(tmp_path / "none.pem", key)
    with pytest.raises(ConfigError, match="without its key"):
        SigningCertificate.found(chain, None)


def test_a_file_that_carries_none_is_refused(signer, tmp_path):
    for content in (b"GIF89a" + bytes(40), b"", b"hello there, all"):
        with pytest.raises(InputError, match="PNG, JPEG, WebP or MP4"):
            signer.signed(content, CLAIMS)
    with pytest.raises(InputError):
        signer.signed(file_of("PNG")[:60], CLAIMS)
    with pytest.raises(ConfigError, match="no digital source type"):
        Claims("x", "photograph", 0)
    assert kind_of(file_of("WEBP")) == "image/webp"
    assert Claims("x", TRAINED, 0).source == "trainedAlgorithmicMedia"


def test_a_full_disk_leaves_the_file_as_it_was(signer, tmp_path, monkeypatch):
    import errno
    import os

    path = tmp_path / "a.png"
    path.write_bytes(file_of("PNG"))

    def full(*_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        signer.sign(path, CLAIMS)
    assert path.read_bytes() == file_of("PNG")
    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]
