"""What a service listens with: addresses, the sockets that its workers share, and HTTPS."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from nexus_chassis.errors import ConfigurationError


@dataclass(frozen=True)
class Listeners:
    """Sockets that the workers share beside the service's own; `tls` is None without a certificate."""

    admin: socket.socket
    tls: socket.socket | None


def address(host: str, port: int) -> str:
    """`host:port`, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What HTTPS is served with; raises ConfigurationError when the files are not a certificate and its key."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        reason = str(error.strerror).partition(" (_ssl")[0]
        raise ConfigurationError(
            f"The certificate {certificate} and the key {key} cannot be used: {reason}. "
            "Point NEXUS_TLS_CERT_FILE and NEXUS_TLS_KEY_FILE at PEM files that belong together."
        ) from None
    return context
