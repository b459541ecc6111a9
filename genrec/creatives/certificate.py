"""Who signs: a certificate of the user's, or one made on the spot that vouches for nobody.

A certificate made here proves that a file was not changed since, and not who made it; whatever is
signed with it says so.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrec.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

CERTIFICATE_VARIABLE, KEY_VARIABLE = "GENREC_C2PA_CERTIFICATE", "GENREC_C2PA_KEY"
_NAME = "genrec, self-signed"
_VALID = dt.timedelta(days=365)
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class SigningCertificate:
    """A chain of certificates, the signer's first, and its private key.

    Attributes:
        chain: PEM.
        key: PEM, without a password.
        algorithm: as C2PA names it: ``es256``, ``ps256``, ``ed25519``, ….
        subject: the signer's common name.
        fingerprint: SHA-256 of the signer's certificate.
        self_signed: made on the spot; no reader knows who it is.
    """

    chain: bytes
    key: bytes = field(repr=False)
    algorithm: str
    subject: str
    fingerprint: str
    self_signed: bool = False

    @staticmethod
    def found(
        chain: Path | None = None,
        key: Path | None = None,
        *,
        environment: Mapping[str, str] = os.environ,
    ) -> SigningCertificate:
        """The user's, by paths or by environment; one made on the spot where there is none.

        Raises:
            ConfigError: one of the two files is missing, or they do not fit each other.
        """
        if chain is None and key is None:
            given = [environment.get(name) for name in (CERTIFICATE_VARIABLE, KEY_VARIABLE)]
            chain, key = (Path(one) if one else None for one in given)
        if chain is None and key is None:
            return SigningCertificate.made()
        if chain is None or key is None:
            there, missing = ("key", "certificate") if chain is None else ("certificate", "key")
            raise ConfigError(
                f"A signing {there} is given without its {missing}. Give both, as PEM files: "
                f"{CERTIFICATE_VARIABLE} and {KEY_VARIABLE}."
            )
        return SigningCertificate.read(chain, key)

    @staticmethod
    def read(chain: Path, key: Path) -> SigningCertificate:
        """From two PEM files.

        Raises:
            ConfigError: they cannot be read, do not belong together or have expired.
        """
        x509, serialization = _cryptography()
        from cryptography.exceptions import UnsupportedAlgorithm

        try:
            chain_pem, key_pem = chain.read_bytes(), key.read_bytes()
            signer = x509.load_pem_x509_certificates(chain_pem)[0]
            private = serialization.load_pem_private_key(key_pem, password=None)
        except OSError as error:
            raise ConfigError(
                f"The signing certificate cannot be read: {error.filename}: {error.strerror}."
            ) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError(
                f"The signing certificate {chain} or its key {key} is no PEM without a password: "
                f"{error}"
            ) from error
        if private.public_key() != signer.public_key():
            raise ConfigError(f"The key {key} does not belong to the certificate {chain}.")
        now = dt.datetime.now(dt.UTC)
        if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
            raise ConfigError(
                f"The signing certificate {chain} is valid from {signer.not_valid_before_utc:%F} "
                f"to {signer.not_valid_after_utc:%F}, not today. Renew it."
            )
        algorithm = _algorithm(private)
        if not algorithm:
            raise ConfigError(f"The key {key} is of a kind that C2PA does not sign with.")
        return SigningCertificate(
            chain_pem, key_pem, algorithm, _subject(signer), _fingerprint(signer)
        )

    @staticmethod
    def made() -> SigningCertificate:
        """A new key with a certificate of its own, under a root that is forgotten at once."""
        _, serialization = _cryptography()
        from cryptography.hazmat.primitives.asymmetric import ec

        root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        above = _certificate(f"{_NAME} root", f"{_NAME} root", root, root, authority=True)
        signer = _certificate(_NAME, f"{_NAME} root", own, root, authority=False)
        pem = serialization.Encoding.PEM
        key = own.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = signer.public_bytes(pem) + above.public_bytes(pem)
        return SigningCertificate(
            chain, key, "es256", _NAME, _fingerprint(signer), self_signed=True
        )


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
    except ModuleNotFoundError as error:
        raise MissingExtra("cryptography", "credentials", "Signing pictures and films") from error
    return x509, serialization


def _certificate(subject: str, issuer: str, own: Any, signs: Any, *, authority: bool) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(name: str) -> Any:
        parts = [(NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, "genrec")]
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])

    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks differ; a file signed now must not come from the future.
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
                **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signs.public_key()), critical=False
        )
    )
    if not authority:
        # C2PA takes a signer only with an extended use; this is the one that its profile names.
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(signs, hashes.SHA256())


def _algorithm(key: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _CURVES.get(key.curve.name, "")
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    return "ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else ""


def _subject(certificate: Certificate) -> str:
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def _fingerprint(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()
