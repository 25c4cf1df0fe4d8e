"""Bad input of each kind, and the whole problem that it is answered with."""

import json
import time
from typing import Any

import pytest
from conftest import TokenWith
from raw_http import raw_request
from websocket_client import Client

HOST = "Host: localhost:8000"
JSON = "Content-Type: application/json"


def problem(slug: str, status: int, title: str, detail: str) -> dict[str, Any]:
    return {"type": f"urn:nexus:problem:{slug}", "title": title, "status": status, "detail": detail}


def unreadable(reason: str) -> dict[str, Any]:
    return problem("invalid-json", 422, "The body is not valid JSON", f"The body cannot be read: {reason}.")


def body_of(answer: bytes) -> tuple[bytes, dict[str, Any]]:
    """Media type and body of an HTTP answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    media_type = head.lower().partition(b"content-type: ")[2].partition(b"\r\n")[0]
    return media_type, json.loads(body)


HEAD_TOO_LARGE = problem(
    "head-too-large",
    431,
    "Request Header Fields Too Large",
    "The head has more than 65536 bytes or more than 100 headers. Send less.",
)
HEADS = {
    "a header of 64 KiB": ([f"X-Long: {'x' * 65536}"], HEAD_TOO_LARGE),
    "101 headers": ([f"X-{number}: 1" for number in range(101)], HEAD_TOO_LARGE),
}


@pytest.mark.parametrize(("lines", "expected"), HEADS.values(), ids=HEADS)
async def test_a_large_head_is_a_problem(gateway: str, lines: list[str], expected: dict[str, Any]) -> None:
    answer = await raw_request(gateway, "GET /v1/me HTTP/1.1", HOST, *lines)

    assert body_of(answer) == (b"application/problem+json", expected)


TWICE = "the name 'username' is given twice in one object"
BODIES = {
    "larger than 64 KiB": (
        b"{}" + b" " * 70_000,
        problem(
            "body-too-large",
            413,
            "The request body is too large",
            "At most 65536 bytes are accepted here. Send the content in parts.",
        )
        | {"limit": 65536},
    ),
    "invalid UTF-8": (b'{"username": "\xff", "password": "x"}', unreadable("it is not UTF-8: byte 14 is 0xff")),
    "a lone surrogate": (
        b'{"username": "\\ud800", "password": "x"}',
        unreadable("it has a lone surrogate: unexpected end of hex escape at line 1 column 21"),
    ),
    "JSON 65 deep": (b'{"a":' * 65 + b"1" + b"}" * 65, unreadable("it is nested more than 64 deep")),
    "JSON 60,000 deep": (b"[" * 60_000, unreadable("it is nested more than 64 deep")),
    "a key twice": (b'{"username": "a", "username": "b", "password": "x"}', unreadable(TWICE)),
    "no number": (b'{"username": NaN}', unreadable("NaN is not JSON")),
}
PATHS = ["/v1/sessions", "/v1/sessions/refresh", "/v1/password-reset"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("body", "expected"), BODIES.values(), ids=BODIES)
async def test_a_bad_body_is_a_problem(gateway: str, path: str, body: bytes, expected: dict[str, Any]) -> None:
    answer = await raw_request(gateway, f"POST {path} HTTP/1.1", HOST, JSON, f"Content-Length: {len(body)}", body=body)

    assert body_of(answer) == (b"application/problem+json", expected)


TOKENS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": 0}, "it has expired"),
    "issued in the future": ({"iat": 10}, "it is not valid yet"),
    "valid from a time in the future": ({"nbf": 10}, "it is not valid yet"),
    "for another audience": ({"aud": "mcp-server"}, "its audience is 'mcp-server', not 'nexus-gateway'"),
    "for two other audiences": (
        {"aud": ["mcp-server", "dataflow-service"]},
        "its audience is ['mcp-server', 'dataflow-service'], not 'nexus-gateway'",
    ),
    "of another issuer": (
        {"iss": "https://elsewhere.example"},
        "its issuer is 'https://elsewhere.example', not 'http://localhost:8000'",
    ),
    "without an expiry": ({"exp": None}, "its claims exp are missing or of the wrong kind"),
}


def claims_with(changes: dict[str, Any]) -> dict[str, Any]:
    """Claims of a token; numbers of `changes` are seconds from now."""
    now = int(time.time())
    timed = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    return {"sub": "alice", "client_id": "tests"} | timed


@pytest.mark.parametrize(("changes", "reason"), TOKENS.values(), ids=TOKENS)
async def test_a_bad_token_is_a_problem(
    gateway: str, token_with: TokenWith, changes: dict[str, Any], reason: str
) -> None:
    headers = token_with(**claims_with(changes))
    answer = await raw_request(gateway, "GET /v1/me HTTP/1.1", HOST, f"Authorization: {headers['Authorization']}")
    detail = f"The access token is refused: {reason}. Get a new one from the gateway."

    assert body_of(answer) == (
        b"application/problem+json",
        problem("unauthorized", 401, "An access token is needed", detail),
    )


async def test_a_clock_may_be_4_s_ahead(gateway: str, token_with: TokenWith) -> None:
    headers = token_with(**claims_with({"iat": 4, "nbf": 4}))
    answer = await raw_request(gateway, "GET /v1/me HTTP/1.1", HOST, f"Authorization: {headers['Authorization']}")

    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"x" * 65_537, 1009), (b'{"op": "\xff"}', 1007)],
    ids=["larger than 64 KiB", "invalid UTF-8"],
)
async def test_a_frame_that_is_none_closes_the_connection(client: Client, payload: bytes, code: int) -> None:
    """RFC 6455 section 7.4.1: there is nothing to answer in a frame of its own. Others are in test_websocket.py."""
    await client.socket.send(payload, text=True)

    assert await client.close_code() == code
