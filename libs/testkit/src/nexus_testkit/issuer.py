"""A token issuer: an HTTP server that publishes its public key, and makes tokens."""

import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

from joserfc import jwt
from joserfc.jwk import OKPKey


class Issuer:
    """Issuer of access tokens as the gateway makes them. `url` is its `iss`, `jwks_url` publishes its key."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.jwks_url = f"{url}/.well-known/jwks.json"
        self.key = OKPKey.generate_key("Ed25519", {"kid": secrets.token_hex(4), "alg": "Ed25519", "use": "sig"})

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set that `jwks_url` answers."""
        return {"keys": [self.key.as_dict(private=False)]}

    def mint(
        self,
        audience: str,
        scopes: Iterable[str] = (),
        *,
        subject: str = "alice",
        client_id: str = "tests",
        lifetime: int = 600,
        header: dict[str, object] | None = None,
        **claims: object,
    ) -> str:
        """An access token; `claims` and `header` are added to it or replace what it has. `lifetime` in seconds."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "aud": audience,
            "sub": subject,
            "client_id": client_id,
            "scope": " ".join(sorted(scopes)),
            "iat": now,
            "exp": now + lifetime,
            "jti": secrets.token_hex(8),
            **claims,
        }
        kept = {name: value for name, value in content.items() if value is not None}
        protected = {"alg": "Ed25519", "typ": "at+jwt", "kid": self.key.kid, **(header or {})}
        return jwt.encode(protected, kept, self.key, algorithms=["Ed25519"])


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """An issuer whose key server answers on a free port of 127.0.0.1."""
    holder: list[Issuer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(holder[0].jwks).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Tests need no access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    holder.append(Issuer(f"http://127.0.0.1:{server.server_address[1]}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield holder[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
