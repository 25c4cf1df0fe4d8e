"""What a service listens with: addresses, the sockets that its workers share, and HTTPS."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from nexus_chassis.errors import ConfigurationError


class Certificate:
    """The certificate that HTTPS is served with, from its files. `context` serves the newest that could be used.

    Raises ConfigurationError when the files are not a certificate and its key.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = self._newest = tls_context(certificate, key)
        self.context.sni_callback = self._choose

    def reload(self) -> None:
        """Read the files again, for new connections; raises ConfigurationError, and keeps what it has then."""
        self._newest = tls_context(self._certificate, self._key)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest


@dataclass(frozen=True)
class TlsListener:
    """The HTTPS listener's socket and its certificate."""

    socket: socket.socket
    certificate: Certificate


@dataclass(frozen=True)
class Listeners:
    """What the workers share beside the service's own socket; `tls` is None without a certificate."""

    admin: socket.socket
    tls: TlsListener | None


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
