"""Services that break off, hang or send nonsense: what the client sees."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from faulty import OK, Exchange, FaultyService, hang
from prometheus_client import REGISTRY

from nexus_gateway.proxy import breaker

SERVICE = "classification-service"
BROKEN = {
    "type": "urn:nexus:problem:upstream-broken",
    "title": "A service broke off",
    "status": 502,
    "detail": "classification-service broke off before its answer was complete. It may have done what you asked: "
    "look before you try again. /v1/status shows the state of each service.",
    "service": SERVICE,
}
AWAY = {
    "type": "urn:nexus:problem:upstream-unavailable",
    "title": "A service is away",
    "status": 502,
    "detail": "classification-service cannot be reached. Try again in a few seconds. "
    "/v1/status shows the state of each service.",
    "service": SERVICE,
}
LATE = {
    "type": "urn:nexus:problem:upstream-timeout",
    "title": "A service took too long",
    "status": 504,
    "detail": "classification-service did not answer in time. Try again later. "
    "/v1/status shows the state of each service.",
    "service": SERVICE,
}

OPEN = {
    "type": "urn:nexus:problem:upstream-open",
    "title": "A service is away",
    "status": 503,
    "detail": "classification-service did not answer the last requests, so this one was not sent. "
    "Try again in 2 s. /v1/status shows the state of each service.",
    "service": SERVICE,
}

type Send = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def send(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> Send:
    """Sends a request to the faulty service; returns status and body."""

    async def send(
        method: str = "GET", headers: dict[str, str] | None = None, data: bytes | None = None
    ) -> tuple[int, Any]:
        url = f"{gateway}/v1/classification/x"
        async with http.request(method, url, headers=admin | (headers or {}), data=data) as response:
            whole = response.content_type.endswith("json")
            return response.status, await (response.json(content_type=None) if whole else response.read())

    return send


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", id="shorter than it says"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"x" * 70_000 + b"\r\n\r\n", id="a huge header"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n", id="many headers"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n\r\n", id="no HTTP"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", id="another protocol"
        ),
    ],
)
async def test_an_answer_that_is_not_whole_before_its_first_byte_is_502(
    faulty: FaultyService, send: Send, answer: bytes
) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(answer)
        exchange.close()

    faulty.behave = behave

    assert (await send(), len(faulty.heads)) == ((502, BROKEN), 1)


@pytest.mark.parametrize("length", [b"Content-Length: 300000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("reset", [False, True])
async def test_an_answer_cut_in_half_on_its_way_is_a_broken_transfer(
    faulty: FaultyService, send: Send, length: bytes, *, reset: bool
) -> None:
    async def behave(exchange: Exchange) -> None:
        chunk = b"x" * 100_000
        framed = b"%x\r\n%s\r\n" % (len(chunk), chunk) if b"chunked" in length else chunk
        await exchange.send(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n" + framed)
        await asyncio.sleep(0.1)
        exchange.reset() if reset else exchange.close()

    faulty.behave = behave
    before = count("gateway_upstream_failures_total", service=SERVICE, reason="cut")

    with pytest.raises(aiohttp.ClientPayloadError):
        await send()
    assert count("gateway_upstream_failures_total", service=SERVICE, reason="cut") - before == 1


async def test_a_service_that_hangs_is_504_at_the_clients_deadline(faulty: FaultyService, send: Send) -> None:
    faulty.behave = hang

    assert await send(headers={"Request-Timeout": "0.3"}) == (504, LATE)


async def test_a_small_answer_that_drips_is_504_at_the_deadline(faulty: FaultyService, send: Send) -> None:
    async def drip(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            await exchange.send(b"x")
            await asyncio.sleep(0.05)

    faulty.behave = drip

    assert await send(headers={"Request-Timeout": "0.4"}) == (504, LATE)


class TestDeadlines:
    async def test_the_service_gets_what_the_route_allows(self, faulty: FaultyService, send: Send) -> None:
        await send()
        (seconds,) = faulty.header("request-timeout")

        assert 119 < float(seconds) <= 120

    async def test_the_service_gets_what_is_left_of_the_clients_time(self, faulty: FaultyService, send: Send) -> None:
        await send(headers={"Request-Timeout": "3.5"})
        (seconds,) = faulty.header("request-timeout")

        assert 3 < float(seconds) <= 3.5

    async def test_a_client_cannot_have_more_than_the_route_allows(self, faulty: FaultyService, send: Send) -> None:
        await send(headers={"Request-Timeout": "999999"})
        (seconds,) = faulty.header("request-timeout")

        assert 119 < float(seconds) <= 120

    @pytest.mark.parametrize("text", ["", "-1", "1e3", "soon", "1.", "1234567"])
    async def test_what_is_no_number_of_seconds_is_refused(self, faulty: FaultyService, send: Send, text: str) -> None:
        detail = f"Found Request-Timeout {text!r}. Send one number of seconds, such as 2.5."
        refused = {
            "type": "urn:nexus:problem:invalid-timeout",
            "title": "The time limit is not valid",
            "status": 400,
            "detail": detail,
        }

        assert (await send(headers={"Request-Timeout": text}), faulty.heads) == ((400, refused), [])


class TestRetries:
    """A connection that breaks before anything of the answer arrived."""

    @pytest.mark.parametrize(
        ("method", "data"), [("GET", None), ("HEAD", None), ("OPTIONS", None), ("PUT", b"{}"), ("DELETE", None)]
    )
    @pytest.mark.parametrize("reset", [False, True])
    async def test_an_idempotent_request_is_sent_again(
        self, faulty: FaultyService, send: Send, method: str, data: bytes | None, *, reset: bool
    ) -> None:
        async def behave(exchange: Exchange) -> None:
            if data:
                assert await exchange.reader.readexactly(len(data)) == data
            if exchange.number == 1:
                exchange.reset() if reset else exchange.close()
            else:
                await exchange.send(OK if method != "HEAD" else OK.removesuffix(b"ok"))

        faulty.behave = behave
        before = count("gateway_upstream_retries_total", service=SERVICE)

        assert await send(method, data=data) == (200, b"" if method == "HEAD" else b"ok")
        assert len(faulty.heads) == 2
        assert count("gateway_upstream_retries_total", service=SERVICE) - before == 1

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    async def test_another_is_not(self, faulty: FaultyService, send: Send, method: str) -> None:
        async def behave(exchange: Exchange) -> None:
            await exchange.reader.readexactly(2)
            exchange.close()

        faulty.behave = behave

        assert (await send(method, data=b"{}"), len(faulty.heads)) == ((502, BROKEN), 1)

    async def test_a_long_body_is_not_sent_again(self, faulty: FaultyService, send: Send) -> None:
        async def behave(exchange: Exchange) -> None:
            exchange.close()

        faulty.behave = behave

        assert (await send("PUT", data=bytes(1_000_000)), len(faulty.heads)) == ((502, BROKEN), 1)

    async def test_there_is_one_retry_and_no_more(self, faulty: FaultyService, send: Send) -> None:
        async def behave(exchange: Exchange) -> None:
            exchange.close()

        faulty.behave = behave

        assert (await send(), len(faulty.heads)) == ((502, BROKEN), 2)

    async def test_no_retry_outlasts_the_deadline(self, faulty: FaultyService, send: Send) -> None:
        async def behave(exchange: Exchange) -> None:
            if exchange.number == 1:
                await asyncio.sleep(0.2)
                exchange.close()
            else:
                await hang(exchange)

        faulty.behave = behave
        began = asyncio.get_running_loop().time()

        assert await send(headers={"Request-Timeout": "0.5"}) == (504, LATE)
        assert asyncio.get_running_loop().time() - began < 1.5

    async def test_an_outage_is_not_multiplied(
        self, faulty: FaultyService, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One in ten may be sent again, after a reserve of ten."""
        monkeypatch.setattr(breaker, "MAX_FAILURES", 1000)

        async def behave(exchange: Exchange) -> None:
            exchange.close()

        faulty.behave = behave
        for _ in range(50):
            await send()

        assert 50 + 10 <= len(faulty.heads) <= 50 + 10 + 5

    async def test_a_connection_that_the_service_closed_while_it_was_idle_fails_no_request(
        self, faulty: FaultyService, send: Send
    ) -> None:
        async def behave(exchange: Exchange) -> None:
            await exchange.send(OK)
            exchange.close()  # without saying so in the answer

        faulty.behave = behave

        assert [await send() for _ in range(20)] == [(200, b"ok")] * 20


class TestCircuitBreaker:
    @pytest.fixture
    def failing(self, faulty: FaultyService) -> FaultyService:
        async def behave(exchange: Exchange) -> None:
            exchange.close()

        faulty.behave = behave
        return faulty

    async def test_it_opens_after_five_failures_and_closes_after_a_success(
        self, failing: FaultyService, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(breaker, "OPEN_SECONDS", 1.5)
        failures = [await send("POST") for _ in range(5)]
        refused = [await send("POST") for _ in range(3)]
        state = count("gateway_breaker_state", service=SERVICE)
        reached = len(failing.heads)
        failing.behave = FaultyService().behave
        await asyncio.sleep(1.6)
        after = [await send("POST") for _ in range(3)]

        assert (failures, refused, state, reached) == ([(502, BROKEN)] * 5, [(503, OPEN)] * 3, 2, 5)
        assert after == [(200, b"ok")] * 3
        assert count("gateway_breaker_state", service=SERVICE) == 0

    async def test_while_it_is_open_one_request_is_let_through_at_a_time(
        self, failing: FaultyService, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(breaker, "OPEN_SECONDS", 1)
        for _ in range(5):
            await send("POST")
        await asyncio.sleep(1.1)
        outcomes = await asyncio.gather(*(send("POST") for _ in range(20)))

        assert sorted(status for status, _ in outcomes) == [502] + [503] * 19
        assert len(failing.heads) == 6

    async def test_errors_that_the_service_answers_itself_leave_it_closed(
        self, faulty: FaultyService, send: Send
    ) -> None:
        async def behave(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")

        faulty.behave = behave

        assert [(await send())[0] for _ in range(20)] == [500] * 20

    async def test_clients_in_a_hurry_leave_it_closed(self, faulty: FaultyService, send: Send) -> None:
        faulty.behave = hang
        late = [await send(headers={"Request-Timeout": "0.01"}) for _ in range(8)]
        faulty.behave = FaultyService().behave

        assert late == [(504, LATE)] * 8
        assert await send() == (200, b"ok")

    async def test_the_circuit_of_one_service_is_not_that_of_another(
        self, failing: FaultyService, send: Send, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        for _ in range(6):
            await send("POST")
        async with http.get(f"{gateway}/v1/data/echo/x", headers=admin) as response:
            assert response.status == 200
        assert len(failing.heads) == 5


async def test_a_service_that_is_away_is_502_and_counted(send: Send) -> None:
    before = count("gateway_upstream_failures_total", service=SERVICE, reason="unreachable")

    assert await send("POST") == (502, AWAY)
    assert count("gateway_upstream_failures_total", service=SERVICE, reason="unreachable") - before == 1
