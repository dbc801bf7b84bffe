"""A broker that wants to know who comes: over TLS, with users, or both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

USER, PASSWORD = "ann", "hush-hush"
_JAAS: Final = {
    "PLAIN": f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{USER}" '
    f'password="{PASSWORD}" user_{USER}="{PASSWORD}";',
    "SCRAM": f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{USER}" '
    f'password="{PASSWORD}";',
}


class Certificates:
    """An authority, a certificate that it gave to a broker, and one for a client; as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        self.server = _written(folder / "server.pem", authority.issue_cert("127.0.0.1"))
        self.client = _written(folder / "client.pem", authority.issue_cert("client@example.org"))
        self.stranger = folder / "stranger.pem"
        """An authority that nobody trusts."""
        trustme.CA().cert_pem.write_to_path(str(self.stranger))


def _written(path: Path, certificate: trustme.LeafCert) -> Path:
    """A certificate and its key in one file; the brokers read keys in one format only."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    lines = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())]
    lines += [blob.bytes() for blob in certificate.cert_chain_pems]
    path.write_bytes(b"".join(lines))
    return path


def settings(protocol: str, certificates: Certificates | None, mechanism: str = "") -> Mapping[str, str]:
    """How a broker is told to guard the only way to it."""
    found = {"listener.security.protocol.map": f"PLAINTEXT:{protocol},DETOUR:PLAINTEXT,CONTROLLER:PLAINTEXT"}
    found["inter.broker.listener.name"] = "PLAINTEXT"
    if certificates is not None:
        found |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.authority),
        }
    if protocol == "SSL":
        found["ssl.client.auth"] = "required"
    if mechanism:
        found |= {
            "sasl.enabled.mechanisms": mechanism,
            "sasl.mechanism.inter.broker.protocol": mechanism,
            f"listener.name.plaintext.{mechanism.lower()}.sasl.jaas.config": _JAAS[mechanism.partition("-")[0]],
        }
    return found
