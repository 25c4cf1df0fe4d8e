"""10,000 heads and forms of any kind: each is answered as it was meant, and nothing of them is left.

Forms and headers of the pages are in pages/test_page_fuzz.py, frames in events/test_fuzzing.py.
"""

import asyncio
import gc
import json
import logging
import random
import tracemalloc
from collections import Counter
from urllib.parse import quote_from_bytes

import pytest
from conftest import PASSWORD, Mint

REQUESTS = 10_000
CONNECTIONS = 8
SEED = 20_261_126
BATCH = 1_000

PATHS = [
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/oauth/authorize",
    "/login",
    "/v1/sessions",
    "/v1/sessions/refresh",
    "/v1/me",
    "/v1/data/echo/x",
    "/v1/data/echo/%2e%2e/x",
    "/v1/data/upload",
    "/pages/models/x",
    "/static/%00",
    "/openapi.json",
    "/v1/channels/app:x/messages",
    "/\xff",
    "*",
    "http://elsewhere/v1/me",
]
METHODS = ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"]
TYPES = ["application/x-www-form-urlencoded", "application/json", "multipart/form-data", "text/plain; charset=\xff", ""]
NAMES = [  # not Request-Timeout: 504 is what a client that has no time is answered
    "Authorization",
    "Cookie",
    "Host",
    "Origin",
    "Forwarded",
    "X-Forwarded-For",
    "Traceparent",
    "If-Match",
    "If-None-Match",
    "Content-Encoding",
    "Transfer-Encoding",
    "Expect",
    "Connection",
    "Upgrade",
    "Accept",
    "Range",
    "X-Nexus-CSRF",
    "Sec-Fetch-Site",
    "Last-Event-ID",
    "X Y",
    "",
]
VALUES = [
    "Bearer ",
    "Bearer a.b.c",
    "Basic ",
    "Basic bmV4dXM6",
    "Basic \xff",
    "__Host-nexus=x; __Host-nexus=y",
    "nexus=",
    "localhost:8000",
    "null",
    "chunked",
    "gzip",
    "100-continue",
    "close",
    "websocket",
    "0",
    "-1",
    "1e400",
    "9" * 400,
    'W/"x"',
    "*",
    "for=\xff",
    "00-" + "0" * 32,
    "\t",
    "\x00",
    "a" * 9_000,
]
FIELDS = [
    "grant_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "redirect_uri",
    "refresh_token",
    "resource",
    "audience",
    "scope",
    "subject_token",
    "subject_token_type",
    "token",
    "state",
    "username",
    "password",
    "form_token",
    "next",
]
WORDS = [
    "authorization_code",
    "client_credentials",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "nexus",
    "mcp-server",
    "mcp-client",
    "admin",
    PASSWORD,
    "http://127.0.0.1/callback",
    "https://[::1",
    "//elsewhere",
    "S256",
    "é🙂",
    "\x00",
    "{{7*7}}",
    "a" * 2_000,
]


class Fuzz:
    """Makes requests that are right, nearly right, or none."""

    def __init__(self, seed: int, token: str) -> None:
        self._source = random.Random(seed)  # noqa: S311  the same requests in each run
        self._token = token

    def request(self) -> bytes:
        """The bytes of one request, after which the server closes the connection."""
        method, path, body = self._choice(METHODS[:3] * 4 + METHODS), self._choice(PATHS), self._body()
        if self._chance(0.3):
            path += f"?{self._form().decode('latin-1')}"
        lines = [f"{method} {path} {'HTTP/1.1' if self._chance(0.97) else self._choice(['HTTP/1.0', 'HTTP/9', ''])}"]
        lines += ["Host: localhost:8000"] if self._chance(0.95) else []
        lines += [f"Content-Type: {self._choice(TYPES)}"] if self._chance(0.9) else []
        lines += [f"Authorization: Bearer {self._token}"] if self._chance(0.4) else []
        lines += [f"{self._choice(NAMES)}: {self._value()}" for _ in range(self._source.randrange(4))]
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1") + body

    def _body(self) -> bytes:
        match self._source.randrange(4):
            case 0:
                return b""
            case 1:
                return json.dumps(
                    {self._choice(FIELDS): self._choice([*WORDS, 1, None, [], {}]) for _ in range(3)}
                ).encode()
            case 2:
                return self._source.randbytes(self._source.randrange(200))
        return self._form()

    def _form(self) -> bytes:
        pairs = []
        for _ in range(self._source.randrange(8)):
            value = self._choice(WORDS).encode() if self._chance(0.8) else self._source.randbytes(6)
            pairs.append(f"{self._choice(FIELDS)}={quote_from_bytes(value, safe='')}")
        text = "&".join(pairs)
        return (text if self._chance(0.9) else text + self._choice(["%", "%zz", "&&", "=", ";", "\xff"])).encode(
            "latin-1"
        )

    def _value(self) -> str:
        noise = self._source.randbytes(self._source.randrange(30)).decode("latin-1")
        return self._choice(VALUES) + noise.replace("\r", "").replace("\n", "") * self._chance(0.3)

    def _choice[T](self, choices: list[T]) -> T:
        return self._source.choice(choices)

    def _chance(self, part: float) -> bool:
        return self._source.random() < part


async def status_of(gateway: str, request: bytes) -> int:
    """The status that exact bytes are answered with, 0 where the connection is closed without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.rpartition(":")[2]))
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read(64)
    writer.close()
    return int(answer.split(b" ")[1]) if answer else 0


async def send_batch(gateway: str, fuzz: Fuzz) -> Counter[int]:
    waiting = asyncio.Semaphore(CONNECTIONS)

    async def send(request: bytes) -> int:
        async with waiting:
            status = await status_of(gateway, request)
        assert status < 500, (status, request)
        return status

    return Counter(await asyncio.gather(*(send(fuzz.request()) for _ in range(BATCH))))


@pytest.fixture
def no_limits(environment: pytest.MonkeyPatch) -> None:
    names = ("address", "principal", "anonymous", "sign-in", "token")
    environment.setenv("NEXUS_RATE_LIMITS", " ".join(f"{name}=9999999/1" for name in names))


@pytest.mark.usefixtures("no_limits")
async def test_10000_requests_break_nothing_and_leave_nothing(
    gateway: str, mint: Mint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)  # what is captured stays in memory
    fuzz = Fuzz(SEED, mint("data:read")["Authorization"].removeprefix("Bearer "))
    found, sizes = Counter[int](), []
    tasks = len(asyncio.all_tasks())
    tracemalloc.start()
    for _ in range(REQUESTS // BATCH):
        found += await send_batch(gateway, fuzz)
        await asyncio.sleep(0.05)
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert found.keys() >= {200, 400, 401, 403, 404, 405, 415, 422}, found
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []
    assert len(asyncio.all_tasks()) <= tasks + 2
    half = len(sizes) // 2
    assert min(sizes[half:]) - min(sizes[half // 2 : half]) < 1024 * 1024  # bytes that 5,000 requests leave
