"""A certificate authority of a test's own, and what it signs."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


@dataclass
class Authority:
    """``file`` is what others trust; `signed` makes a pair for 127.0.0.1 in ``folder``."""

    folder: Path
    name: str = "authority"
    _key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        made = self._certificate(self.name, self._key.public_key(), ca=True)
        self.file.write_bytes(made.public_bytes(_PEM))
        self.file.chmod(0o644)

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def signed(self, name: str, passphrase: bytes | None = None) -> tuple[Path, Path]:
        """Files of a certificate and of its private key."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert_file, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        cert_file.write_bytes(self._certificate(name, key.public_key()).public_bytes(_PEM))
        locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            locked = serialization.BestAvailableEncryption(passphrase)
        key_file.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, locked))
        for file in (cert_file, key_file):
            file.chmod(0o644)  # a broker that was started as root reads it as another user
        return cert_file, key_file

    def _certificate(
        self, name: str, key: ec.EllipticCurvePublicKey, ca: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        own = x509.SubjectKeyIdentifier.from_public_key(key)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                False,
            )
            .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), True)
            .add_extension(own, False)
            .add_extension(issuer, False)
            .sign(self._key, hashes.SHA256())
        )
