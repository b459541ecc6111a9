"""Pictures, sounds, films, archives and signed files, damaged: decoded, or refused."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("av", reason="needs the extra 'media'")
pytest.importorskip("PIL", reason="needs the extra 'images'")

from PIL import Image

from genrec.creatives.film.mux import encode, inspect
from genrec.creatives.product.photo import read_photo
from genrec.creatives.xmp import kind_of
from genrec.data.media import MediaFolder
from genrec.data.pictures import open_picture
from genrec.encoders.audio import waveform
from genrec.encoders.video import sampled
from genrec.errors import GenrecError
from tests.encoders.test_audio_video import film, tone
from tests.fuzz.damage import FACTOR, spoilt_bytes

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def picture(kind, **how):
    target = io.BytesIO()
    Image.fromarray(PIXELS).save(target, kind, **how)
    return target.getvalue()


def archive():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(3):
            file.writestr(f"{number}.png", picture("PNG"))
    return target.getvalue()


def read_archive(content, folder):
    (folder / "a.zip").write_bytes(content)
    held = MediaFolder.at(folder / "a.zip")
    held.fingerprint(["0.png", "gone.png"])
    for number in range(3):
        held.read(f"{number}.png")


def read_credentials(content, folder):
    from genrec.creatives.credentials import check, has_credentials

    (folder / "a.png").write_bytes(content)
    has_credentials(content)
    check(folder / "a.png")


def signed():
    pytest.importorskip("c2pa", reason="needs the extra 'credentials'")
    from genrec.creatives.certificate import SigningCertificate
    from genrec.creatives.credentials import COMPOSITE, Claims, Signer

    claims = Claims("poster", COMPOSITE, 1, "model", "ab" * 16, ())
    return Signer(SigningCertificate.made()).signed(picture("PNG"), claims)


READERS = {
    "png": (lambda: picture("PNG"), lambda content, _: open_picture(content)),
    "jpeg": (lambda: picture("JPEG"), lambda content, _: open_picture(content)),
    "webp": (lambda: picture("WEBP"), lambda content, _: open_picture(content)),
    "photo": (lambda: picture("PNG"), lambda content, _: read_photo(content)),
    "kind": (lambda: picture("PNG"), lambda content, _: kind_of(content)),
    "sound": (lambda: tone(440, seconds=0.1), lambda content, _: waveform(content, 8000)),
    "film": (lambda: film(["red"], rate=2), lambda content, _: sampled(content, 2)),
    "own film": (
        lambda: encode([PIXELS] * 2, size=(32, 24), fps=2).content,
        lambda content, _: inspect(content),
    ),
    "archive": (archive, read_archive),
    "credentials": (signed, read_credentials),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_media_are_decoded_or_refused(name, tmp_path):
    make, read = READERS[name]
    whole = make()
    read(whole, tmp_path)

    @settings(max_examples=8 * FACTOR, deadline=None, suppress_health_check=list(HealthCheck))
    @given(spoilt_bytes(whole) | st.binary(max_size=64))
    def holds(content):
        try:
            read(content, tmp_path)
        except GenrecError as error:
            assert str(error)

    holds()
