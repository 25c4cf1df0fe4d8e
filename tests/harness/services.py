"""Public services under their own names: a proxy that lets nothing out and gives recorded answers instead."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Reply:
    """What a service sends: `promised` is the length that it announces, `silence` how long it then waits, in seconds."""

    body: bytes
    status: int = 200
    promised: int | None = None
    silence: float = 0


Service = Callable[[str], Reply]
"""Answers to a path."""


@dataclass
class Services:
    """Recorded services by host name; `asked` are the addresses that were asked for, `env` what leads clients here."""

    by_host: dict[str, Service]
    env: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    services: Services
    tls: ssl.SSLContext
    host = ""

    def do_CONNECT(self) -> None:
        self.host = self.path.partition(":")[0]
        if self.host not in self.services.by_host:
            self.send_error(502, "unknown host")
            return
        self.send_response(200)
        self.end_headers()
        # From here on this is the service itself.
        self.close_connection = False
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def do_GET(self) -> None:
        self.services.asked.append(f"{self.host}{self.path}")
        reply = self.services.by_host[self.host](self.path)
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(reply.promised or len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        self.services.over.wait(reply.silence)
        self.close_connection = reply.promised is not None

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name that the base class has
        """Say nothing."""


@contextmanager
def services(folder: Path, by_host: dict[str, Service]) -> Iterator[Services]:
    """Stand in for these hosts; `folder` gets the certificates."""
    recorded = Services(by_host)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = _certificate(folder, list(by_host))
    tls.load_cert_chain(certificate)
    handler = type("Handler", (_Proxy,), {"services": recorded, "tls": tls})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        recorded.env |= {"HTTPS_PROXY": address, "https_proxy": address, "NO_PROXY": "", "no_proxy": ""}
        recorded.env |= {"SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": str(certificate)}
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield recorded
        recorded.over.set()
        server.shutdown()


def _certificate(folder: Path, hosts: list[str]) -> Path:
    """Return a file with a key and a certificate that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "recorded services")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / "services.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return path
