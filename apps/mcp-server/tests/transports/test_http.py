import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from mcp_clients import MODERN_META, http_client, message, modern_headers
from stack import Stack, eventually

from mcp_server.limits import MAX_MESSAGE_BYTES

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        ({"Content-Type": "application/json; charset=utf-16"}, 415, "unsupported-media-type"),
        ({**JSON, "Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
        ({**JSON, "Accept": "text/event-stream"}, 406, "json-not-accepted"),
    ],
)
async def test_messages_and_answers_are_plain_json(
    client: aiohttp.ClientSession, headers: dict[str, str], status: int, slug: str
) -> None:
    body = gzip.compress(b"{}") if "Content-Encoding" in headers else b"{}"
    response = await client.post("/mcp", data=body, headers=headers, skip_auto_headers=["Content-Encoding"])
    problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["type"]) == (status, f"urn:nexus:problem:{slug}")


def _ping_of(size: int) -> bytes:
    start, end = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"', b'"}}'
    return start + b"x" * (size - len(start) - len(end)) + end


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    """Send without Content-Length."""
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


async def test_a_message_has_at_most_one_mebibyte(client: aiohttp.ClientSession) -> None:
    assert MAX_MESSAGE_BYTES == 1024 * 1024
    for size, status in ((MAX_MESSAGE_BYTES, 200), (MAX_MESSAGE_BYTES + 1, 413)):
        for body in (io.BytesIO(_ping_of(size)), _chunks(_ping_of(size))):
            response = await client.post("/mcp", data=body, headers=JSON)
            assert response.status == status
    assert (await response.json(content_type="application/problem+json"))["limit"] == MAX_MESSAGE_BYTES


async def test_no_path_is_redirected(client: aiohttp.ClientSession) -> None:
    for path in ("/mcp/", "/v1/tools/"):
        response = await client.post(path, json=message("ping"), allow_redirects=False)
        assert (response.status, "Location" in response.headers) == (404, False)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/.well-known/oauth-protected-resource"])
async def test_head_is_answered_like_get_without_a_body(service: str, path: str) -> None:
    async with http_client(service) as client:
        response = await client.head(path)
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "slug"),
    [
        ("GET", "/v1/tools?filter=x", "unknown-parameter"),
        ("GET", "/.well-known/oauth-protected-resource?limit=1&limit=2", "unknown-parameter"),
        ("POST", "/mcp?session=x", "unknown-parameter"),
    ],
)
async def test_unknown_query_parameters_are_refused(
    client: aiohttp.ClientSession, method: str, path: str, slug: str
) -> None:
    response = await client.request(method, path)
    assert (response.status, (await response.json())["type"]) == (400, f"urn:nexus:problem:{slug}")


CALL: dict[str, Any] = {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (message("tools/call", CALL), {}),
        ([message("tools/call", CALL)], {}),
        (message("tools/call", {**CALL, "_meta": MODERN_META}), modern_headers("tools/call", CALL)),
    ],
    ids=["handshake era", "batch", "stateless era"],
)
async def test_a_client_that_leaves_cancels_the_call_behind(
    client: aiohttp.ClientSession, stack: Stack, body: object, headers: dict[str, str]
) -> None:
    stack.delay = 10
    request = asyncio.create_task(client.post("/mcp", json=body, headers=headers))
    await eventually(lambda: "/v1/classify" in stack.requests)
    request.cancel()
    await eventually(lambda: stack.cancelled == ["/v1/classify"])
