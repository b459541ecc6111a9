"""Content credentials: a finished picture or film says itself how it was made, and that it was.

A C2PA manifest, signed and verified after it was written; the IPTC digital source type in the
file's XMP; the same once more as a JSON file beside it. What the product's photograph says of its
own origin is kept as an ingredient.

Sources: C2PA 2.2, https://c2pa.org/specifications; the IPTC vocabulary of digital source types.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from genrec.creatives.certificate import SigningCertificate
from genrec.creatives.xmp import kind_of, packet, with_xmp
from genrec.errors import ConfigError, InputError, MissingExtra
from genrec.workspace import storage_errors, write_text

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# A trained model made all of it, or some; drawn by rule alone, or by rule around a photograph.
TRAINED, COMPOSITE, ALGORITHMIC, SYNTHETIC = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "compositeSynthetic",
)
SOURCES = (TRAINED, COMPOSITE, ALGORITHMIC, SYNTHETIC)
SIDECAR = ".json"
_GOOD = ("Valid", "Trusted")
# A certificate that no list of trusted ones knows still proves that nothing was changed.
_UNKNOWN_SIGNER = "signingCredential.untrusted"
_LABEL = "org.genrec.making"


@dataclass(frozen=True)
class Ingredient:
    """A file that went into the picture, with whatever credentials it has itself."""

    title: str
    content: bytes


@dataclass(frozen=True)
class Claims:
    """How one picture or film was made.

    Attributes:
        title: of the file.
        source: one of ``SOURCES``.
        seed: that this very picture was drawn from.
        model: that drew it, empty where none did.
        prompt_hash: of the prompt, which itself may say something of a shopper.
        steps: what was done after it was drawn, as C2PA action and words.
        details: anything more, as JSON values.
    """

    title: str
    source: str
    seed: int
    model: str = ""
    prompt_hash: str = ""
    steps: tuple[tuple[str, str], ...] = ()
    details: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ConfigError(
                f"'{self.source}' is no digital source type of an ad; one of {', '.join(SOURCES)}."
            )


@dataclass(frozen=True)
class Signed:
    """A file with credentials.

    Attributes:
        path: the file.
        sidecar: the JSON beside it.
        sha256: of the whole file.
        state: what the verification said: ``Valid``, or ``Trusted`` where the signer is known.
        self_signed: the certificate was made on the spot.
    """

    path: Path
    sidecar: Path
    sha256: str
    state: str
    self_signed: bool


class Signer:
    """Signs any number of files with one certificate."""

    def __init__(self, certificate: SigningCertificate) -> None:
        c2pa = _c2pa()
        self.certificate = certificate
        info = c2pa.C2paSignerInfo(
            certificate.algorithm.encode(), certificate.chain, certificate.key, None
        )
        try:
            self._signer = c2pa.Signer.from_info(info)
        except c2pa.C2paError as error:
            raise ConfigError(f"The signing certificate cannot be used: {error}") from error
        self._context = _context()

    def signed(self, content: bytes, claims: Claims, used: Sequence[Ingredient] = ()) -> bytes:
        """The file's bytes with XMP and a signed manifest in them.

        Raises:
            InputError: the file is of a kind that carries none, or is damaged.
            ConfigError: the certificate is not fit for signing.
        """
        c2pa = _c2pa()
        kind = kind_of(content)
        source = io.BytesIO(with_xmp(content, packet(f"{IPTC}{claims.source}", **_told(claims))))
        target = io.BytesIO()
        manifest = _manifest(claims, kind, self.certificate, used)
        builder = c2pa.Builder.from_json(json.dumps(manifest), self._context)
        try:
            for number, one in enumerate(used):
                about = {"title": one.title, "relationship": "componentOf", "label": _part(number)}
                photo = io.BytesIO(one.content)
                builder.add_ingredient(json.dumps(about), kind_of(one.content), photo)
            builder.sign(self._signer, kind, source, target)
        except c2pa.C2paError as error:
            raise InputError(f"'{claims.title}' could not be signed: {error}") from error
        finally:
            builder.close()
        return target.getvalue()

    def sign(self, path: Path, claims: Claims, used: Sequence[Ingredient] = ()) -> Signed:
        """Signs a file in its place, verifies it, and writes the JSON beside it.

        Raises:
            InputError: the file is of a kind that carries none, or is damaged.
            StorageError: the disk is full; the file is as it was.
        """
        with storage_errors(path):
            content = path.read_bytes()
        return self.write(path, content, claims, used)

    def write(
        self, path: Path, content: bytes, claims: Claims, used: Sequence[Ingredient] = ()
    ) -> Signed:
        """The same from bytes that are not on the disk yet.

        The JSON is written last, so a file that has one is whole.
        """
        whole = self.signed(content, claims, used)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(whole)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        state, problems = check(path)
        if problems:
            raise InputError(f"The credentials of {path} do not hold after writing.", problems)
        sidecar = path.with_name(f"{path.name}{SIDECAR}")
        made = hashlib.sha256(content).hexdigest()
        digest = hashlib.sha256(whole).hexdigest()
        values = {
            **asdict(claims),
            "source": f"{IPTC}{claims.source}",
            "generator": _generator(),
            "content_sha256": made,
            "file_sha256": digest,
            "signed_by": self.certificate.subject,
            "certificate": self.certificate.fingerprint,
            "self_signed": self.certificate.self_signed,
            "ingredients": [
                {"title": one.title, "sha256": hashlib.sha256(one.content).hexdigest()}
                for one in used
            ],
        }
        write_text(sidecar, f"{json.dumps(values, indent=1, ensure_ascii=False)}\n")
        return Signed(path, sidecar, digest, state, self.certificate.self_signed)


def sign(
    path: Path,
    claims: Claims,
    *,
    certificate: SigningCertificate | None = None,
    used: Sequence[Ingredient] = (),
) -> Signed:
    """One file signed in its place; for many, keep a ``Signer``."""
    return Signer(certificate or SigningCertificate.found()).sign(path, claims, used)


def check(path: Path) -> tuple[str, list[str]]:
    """Verifies a file: its state, and what does not hold, in words.

    A signer whom no list knows is no problem here; a changed pixel is.
    """
    c2pa = _c2pa()
    try:
        with _reader(path.read_bytes()) as reader:
            state = reader.get_validation_state() or "none"
            results = reader.get_validation_results() or {}
    except (c2pa.C2paError, InputError) as error:
        return "none", [f"no credentials: {error}"]
    failures = results.get("activeManifest", {}).get("failure", [])
    problems = [
        f"{one['code']}: {one.get('explanation', '')}"
        for one in failures
        if one["code"] != _UNKNOWN_SIGNER
    ]
    return state, problems or ([] if state in _GOOD else [f"the state is {state}"])


def manifest_of(path: Path) -> dict[str, Any]:
    """The active manifest of a file, as the library reads it, with all that it contains.

    Raises:
        InputError: it has none.
    """
    c2pa = _c2pa()
    try:
        with _reader(path.read_bytes()) as reader:
            return dict(json.loads(reader.json()))
    except c2pa.C2paError as error:
        raise InputError(f"{path} has no credentials: {error}") from error


def has_credentials(content: bytes) -> bool:
    """Whether a file carries a manifest of its own."""
    c2pa = _c2pa()
    try:
        with _reader(content):
            return True
    except (c2pa.C2paError, InputError):
        return False


def _reader(content: bytes) -> Any:
    return _c2pa().Reader(kind_of(content), io.BytesIO(content), context=_context())


def _c2pa() -> Any:
    try:
        import c2pa
    except ModuleNotFoundError as error:
        raise MissingExtra("c2pa-python", "credentials", "Content credentials") from error
    return c2pa


_contexts: dict[str, Any] = {}


def _context() -> Any:
    if "own" not in _contexts:
        settings = {
            # A thumbnail doubles a file and takes ten times as long as its signature.
            "builder": {"thumbnail": {"enabled": False}},
            # Verified below, from the disk. Nothing is ever fetched.
            "verify": {
                "verify_after_sign": False,
                "ocsp_fetch": False,
                "remote_manifest_fetch": False,
            },
        }
        c2pa = _c2pa()
        _contexts["own"] = c2pa.Context(c2pa.Settings.from_dict(settings))
    return _contexts["own"]


def _generator() -> dict[str, str]:
    try:
        return {"name": "genrec", "version": metadata.version("genrec")}
    except metadata.PackageNotFoundError:
        return {"name": "genrec", "version": "0"}


def _told(claims: Claims) -> dict[str, str]:
    made = _generator()
    return {"description": claims.title, "software": f"{made['name']} {made['version']}"}


def _part(number: int) -> str:
    return f"part-{number + 1}"


def _manifest(
    claims: Claims, kind: str, certificate: SigningCertificate, used: Sequence[Ingredient]
) -> dict[str, Any]:
    created = {
        "action": "c2pa.created",
        "digitalSourceType": f"{IPTC}{claims.source}",
        "softwareAgent": {"name": claims.model or "genrec"},
        "description": f"seed {claims.seed}",
    }
    placed = [
        {
            "action": "c2pa.placed",
            "description": one.title,
            "parameters": {"ingredientIds": [_part(number)]},
        }
        for number, one in enumerate(used)
    ]
    steps = [{"action": action, "description": words} for action, words in claims.steps]
    making = {
        "seed": claims.seed,
        "model": claims.model,
        "prompt_sha256": claims.prompt_hash,
        "self_signed": certificate.self_signed,
        **dict(claims.details or {}),
    }
    return {
        "claim_generator_info": [_generator()],
        "title": claims.title,
        "format": kind,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created, *placed, *steps]}},
            {"label": _LABEL, "data": making},
        ],
    }
