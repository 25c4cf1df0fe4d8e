"""An application on this machine that acts for users: an OAuth client with a page to come back to."""

import base64
import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

NAME = "Example <b>application</b>"
SCOPE = "data:read"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><html lang='en'><title>Example application</title><h1>Welcome back</h1></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name that the base class has
        """Say nothing."""


@dataclass(frozen=True)
class Application:
    """A client of the gateway that runs, and the secrets of one request (RFC 7636)."""

    id: str
    redirect_uri: str
    verifier: str

    @property
    def request(self) -> str:
        """The path and query at which the gateway asks the user."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "state": "a state",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return f"/oauth/authorize?{httpx.QueryParams(parameters)}"

    def exchange(self, site: str, code: str) -> httpx.Response:
        """Exchange a code for tokens."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "code": code,
            "code_verifier": self.verifier,
        }
        return httpx.post(f"{site}/oauth/token", data=form)


@contextmanager
def running_application(administrator: httpx.Client) -> Iterator[Application]:
    """Serve the application's page, and add its client to the gateway."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        redirect_uri = f"http://127.0.0.1:{server.server_address[1]}/callback"
        wanted = {
            "name": NAME,
            "kind": "public",
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code"],
            "scopes": [SCOPE],
            "audiences": ["nexus-gateway"],
        }
        added = administrator.post("/v1/clients", json=wanted)
        assert added.status_code == 201, added.text
        yield Application(added.json()["id"], redirect_uri, secrets.token_urlsafe(48))
        administrator.delete(f"/v1/clients/{added.json()['id']}")
        server.shutdown()
