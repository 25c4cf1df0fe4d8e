"""Documents come from a real HTTPS server of a host that resolves to this machine."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from nexus_gateway.oauth.client_documents import ClientDocuments, is_document_address
from nexus_gateway.oauth.errors import InvalidClientDocumentError
from nexus_gateway.oauth.models import Client, ClientKind
from nexus_gateway.oauth.public_network import create_session

SCOPES = frozenset({"data:read", "tools:call"})
CALLBACK = "https://app.example/callback"


class Host:
    """The server of a client: `answers` by path; `fetched` are the paths that were asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, web.Response] = {}
        self.fetched: list[str] = []
        self.delay = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        self.fetched.append(request.path)
        await asyncio.sleep(self.delay)
        return self.answers[request.path]

    def publish(self, path: str = "/client.json", *, cache_control: str = "", **members: Any) -> str:  # noqa: ANN401
        """Serve a document; returns its address."""
        document = {"client_id": f"{self.url}{path}", "client_name": "Agent", "redirect_uris": [CALLBACK], **members}
        headers = {"Cache-Control": cache_control} if cache_control else {}
        self.answers[path] = web.json_response(document, headers=headers)
        return f"{self.url}{path}"


@pytest_asyncio.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    host = Host()
    app = web.Application()
    app.router.add_get("/{path:.*}", host.answer)
    server = TestServer(app, scheme="https", host="localhost")
    await server.start_server(ssl=context)
    host.url = f"https://localhost:{server.port}"
    yield host
    await server.close()


@pytest_asyncio.fixture
async def documents(host: Host) -> AsyncIterator[ClientDocuments]:
    """As with NEXUS_CLIENT_DOCUMENTS=any."""
    assert host.url
    async with create_session(allow_private=True) as session:
        yield ClientDocuments(session, SCOPES, allow_private=True)


async def failure(documents: ClientDocuments, address: str) -> str:
    with pytest.raises(InvalidClientDocumentError) as refused:
        await documents.find(address)
    return str(refused.value).removeprefix(f"The client's document at {address} cannot be used: ")


async def test_a_document_describes_a_public_client(host: Host, documents: ClientDocuments) -> None:
    address = host.publish()

    assert await documents.find(address) == Client(
        id=address,
        name="Agent",
        kind=ClientKind.PUBLIC,
        redirect_uris=(CALLBACK,),
        grant_types=frozenset({"authorization_code", "refresh_token"}),
        scopes=SCOPES,
        audiences=frozenset({"mcp-server"}),
    )


class TestCache:
    async def test_a_document_is_fetched_once(self, host: Host, documents: ClientDocuments) -> None:
        host.delay = 0.05
        address = host.publish()

        await asyncio.gather(*(documents.find(address) for _ in range(5)))
        await documents.find(address)

        assert host.fetched == ["/client.json"]

    @pytest.mark.parametrize(
        ("cache_control", "seconds"),
        [("", 3600), ("max-age=7200", 7200), ("public, max-age=1", 60), ("max-age=99999999", 86400), ("no-store", 60)],
    )
    async def test_it_is_kept_as_long_as_its_server_says_within_limits(
        self,
        host: Host,
        documents: ClientDocuments,
        monkeypatch: pytest.MonkeyPatch,
        cache_control: str,
        seconds: int,
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(documents, "_now", lambda: now[0])
        address = host.publish(cache_control=cache_control)
        await documents.find(address)

        now[0] += seconds - 1
        await documents.find(address)
        assert len(host.fetched) == 1
        now[0] += 2
        host.publish(cache_control=cache_control)
        await documents.find(address)
        assert len(host.fetched) == 2

    async def test_a_failure_is_kept_for_a_short_time(
        self, host: Host, documents: ClientDocuments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(documents, "_now", lambda: now[0])
        address = host.publish(client_id="https://other.example/")
        await failure(documents, address)
        await failure(documents, address)
        assert len(host.fetched) == 1

        now[0] += 31
        host.publish()
        assert (await documents.find(address)) is not None


class TestUnusable:
    @pytest.mark.parametrize(
        ("members", "reason"),
        [
            ({"client_id": "https://other.example/client.json"}, "its client_id is not its own address."),
            ({"token_endpoint_auth_method": "client_secret_post"}, "its token_endpoint_auth_method is not none."),
            ({"redirect_uris": []}, "its redirect_uris are not a list of 1 to 20."),
            ({"redirect_uris": "https://app.example/"}, "its redirect_uris are not a list of 1 to 20."),
            ({"redirect_uris": [1]}, "one of its redirect_uris is not acceptable."),
            ({"redirect_uris": ["http://app.example/"]}, "one of its redirect_uris is not acceptable."),
            ({"padding": "x" * 9000}, "it has more than 8192 bytes."),
        ],
    )
    async def test_its_content(
        self, host: Host, documents: ClientDocuments, members: dict[str, Any], reason: str
    ) -> None:
        assert await failure(documents, host.publish(**members)) == reason

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (web.Response(status=404), "its server answered 404 application/octet-stream, not 200 application/json."),
            (
                web.Response(status=302, headers={"Location": "/client.json"}),
                "its server answered 302 application/octet-stream, not 200 application/json.",
            ),
            (web.Response(text="{}"), "its server answered 200 text/plain, not 200 application/json."),
            (web.Response(text="{", content_type="application/json"), "it is not JSON."),
            (web.Response(text="[]", content_type="application/json"), "its client_id is not its own address."),
        ],
    )
    async def test_its_answer(self, host: Host, documents: ClientDocuments, answer: web.Response, reason: str) -> None:
        host.answers["/x"] = answer

        assert await failure(documents, f"{host.url}/x") == reason

    async def test_its_server_is_away(self, documents: ClientDocuments) -> None:
        assert await failure(documents, "https://localhost:1/x") == "its server cannot be reached."

    async def test_its_server_is_of_an_unknown_authority(
        self, host: Host, documents: ClientDocuments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        async with create_session(allow_private=True) as session:
            trusting = ClientDocuments(session, SCOPES, allow_private=True)
            assert await failure(trusting, host.publish()) == "its server cannot be reached."
        assert (await documents.find(host.publish())) is not None


class TestOwnNetwork:
    async def test_a_name_that_leads_there_is_not_asked(self, host: Host) -> None:
        async with create_session(allow_private=False) as session:
            documents = ClientDocuments(session, SCOPES, allow_private=False)
            assert await failure(documents, host.publish()) == "its server cannot be reached."
        assert host.fetched == []

    @pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"])
    async def test_an_address_there_is_not_asked(self, host: Host, address: str) -> None:
        port = host.url.rpartition(":")[2]
        async with create_session(allow_private=False) as session:
            documents = ClientDocuments(session, SCOPES, allow_private=False)
            assert await failure(documents, f"https://{address}:{port}/x") == "it is not on the public internet."
        assert host.fetched == []


class TestAddresses:
    @pytest.mark.parametrize(
        "address", ["https://app.example/client.json", "https://app.example:8443/a/b", "https://[2606:4700::1]/client"]
    )
    def test_an_https_address_with_a_path_is_one(self, address: str) -> None:
        assert is_document_address(address)

    @pytest.mark.parametrize(
        "address",
        [
            "https://app.example",
            "https://app.example/",
            "http://app.example/client.json",
            "https://APP.example/client.json",
            "https://user@app.example/client.json",
            "https://app.example/client.json#fragment",
            "https://app.example/client.json?query",
            "https://app.example/a/../client.json",
            "https://app.example/./client.json",
            "https://app.example:0/client.json",
            "https://app.example/\u20ac",
            "https://app.example/a b",
            "https://app.example/" + "a" * 500,
            "https://[::1]@evil.example/client",
            "mcp-client",
        ],
    )
    def test_these_are_none(self, address: str) -> None:
        assert not is_document_address(address)
