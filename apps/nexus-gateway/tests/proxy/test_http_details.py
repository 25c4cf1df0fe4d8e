"""What HTTP/1.1 asks of a proxy (RFC 9110, RFC 9112)."""

import asyncio
import gzip

import aiohttp
import pytest
from faulty import Behaviour, Exchange, FaultyService
from raw_http import raw_request
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus


def answers(data: bytes) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(data)

    return behave


async def ask(gateway: str, admin: dict[str, str], *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """The raw answer of the faulty service's path."""
    lines = [f"{method} /v1/classification/x HTTP/1.1", "Host: localhost", f"Authorization: {admin['Authorization']}"]
    return await raw_request(gateway, *lines, *headers, body=body)


type Parts = tuple[bytes, list[bytes], bytes]


def parts(answer: bytes) -> Parts:
    """Status line, headers but those of the gateway's own, and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    return (
        status,
        sorted(header for header in headers if not header.startswith((b"date:", b"connection:", b"ratelimit"))),
        body,
    )


async def test_the_service_learns_where_the_request_comes_from(
    faulty: FaultyService, gateway: str, admin: dict[str, str]
) -> None:
    await ask(gateway, admin, "Via: 1.0 before", "Forwarded: for=6.6.6.6", "X-Forwarded-Host: evil.example")
    found = {name: faulty.header(name) for name in ("via", "forwarded", "x-forwarded-for", "x-forwarded-host", "host")}

    assert found == {
        "via": ["1.0 before", "1.1 nexus-gateway"],
        "forwarded": ["for=127.0.0.1;proto=http"],
        "x-forwarded-for": ["127.0.0.1"],
        "x-forwarded-host": [],
        "host": [faulty.url.removeprefix("http://")],
    }


async def test_headers_of_one_hop_go_no_further(faulty: FaultyService, gateway: str, admin: dict[str, str]) -> None:
    await ask(
        gateway, admin, "TE: trailers", "Trailer: X-Sum", "Keep-Alive: timeout=5", "Proxy-Authorization: Basic eA=="
    )
    found = [faulty.header(name) for name in ("te", "trailer", "keep-alive", "proxy-authorization")]

    assert found == [[], [], [], []]


async def test_an_upgrade_is_not_passed_on(faulty: FaultyService, gateway: str, admin: dict[str, str]) -> None:
    answer = await ask(gateway, admin, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")

    assert parts(answer) == (b"HTTP/1.1 200 OK", [b"content-length: 2"], b"ok")
    assert faulty.header("upgrade") == []


async def test_a_websocket_is_refused_before_it_reaches_a_service(
    faulty: FaultyService, gateway: str, admin: dict[str, str]
) -> None:
    url = f"{gateway.replace('http', 'ws', 1)}/v1/classification/x"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=admin, proxy=None)

    assert (refused.value.response.status_code, faulty.heads) == (403, [])


async def test_provisional_answers_are_not_passed_on(
    faulty: FaultyService, gateway: str, admin: dict[str, str]
) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
    faulty.behave = answers(hints + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert parts(await ask(gateway, admin)) == (b"HTTP/1.1 200 OK", [b"content-length: 2"], b"ok")


async def test_a_client_that_waits_for_100_gets_it_from_the_gateway(
    faulty: FaultyService, gateway: str, admin: dict[str, str]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.rpartition(":")[2]))
    head = f"Host: x\r\nAuthorization: {admin['Authorization']}\r\nContent-Length: 4\r\nExpect: 100-continue"
    writer.write(f"POST /v1/classification/x HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(20):
        provisional = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"body")
        final = await reader.read()
    writer.close()

    assert (provisional, final.split(b"\r\n")[0]) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK")
    assert faulty.header("expect") == []


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", (b"HTTP/1.1 204 No Content", [], b"")),
        (
            b'HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\nETag: "a"\r\n\r\n',
            (b"HTTP/1.1 304 Not Modified", [b'etag: "a"'], b""),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
            (b"HTTP/1.1 200 OK", [b"transfer-encoding: chunked"], b"2\r\nok\r\n0\r\n\r\n"),
        ),
    ],
    ids=["204", "304 with a length", "trailers"],
)
async def test_answers_without_a_body_and_trailers(
    faulty: FaultyService, gateway: str, admin: dict[str, str], answer: bytes, seen: Parts
) -> None:
    faulty.behave = answers(answer)

    assert parts(await ask(gateway, admin)) == seen


async def test_a_head_has_the_length_of_what_a_get_returns(
    faulty: FaultyService, gateway: str, admin: dict[str, str]
) -> None:
    faulty.behave = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")

    assert parts(await ask(gateway, admin, method="HEAD")) == (b"HTTP/1.1 200 OK", [b"content-length: 12"], b"")


async def test_a_compressed_answer_passes_as_it_is(faulty: FaultyService, gateway: str, admin: dict[str, str]) -> None:
    content = gzip.compress(b"x" * 1000, mtime=0)
    faulty.behave = answers(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    )
    _, headers, body = parts(await ask(gateway, admin, "Accept-Encoding: gzip"))

    assert (headers, body) == ([b"content-encoding: gzip", b"content-length: %d" % len(content)], content)
    assert faulty.header("accept-encoding") == ["gzip"]


async def test_requests_over_one_connection_keep_their_answers_apart(
    faulty: FaultyService, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    async def echo(exchange: Exchange) -> None:
        target = exchange.head.split(b" ")[1]
        await asyncio.sleep(0.01)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(target), target))

    async def get(number: int) -> str:
        async with http.get(f"{gateway}/v1/classification/{number}", headers=admin) as response:
            return await response.text()

    faulty.behave = echo

    assert await asyncio.gather(*map(get, range(200))) == [f"/v1/{number}" for number in range(200)]
