import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from nexus_chassis.admission import Admission
from nexus_chassis.limits import Limits
from nexus_chassis.problems import Problem
from nexus_testkit import Issuer, serving

OVERLOADED = {
    "type": "urn:nexus:problem:overloaded",
    "title": "The service is overloaded",
    "status": 503,
    "detail": "The service has more requests than it can take now. Try again in a few seconds.",
}


@pytest_asyncio.fixture
async def narrow(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A service of which 4 requests run, 4 wait for 2 s, 3 of one principal; 1 MiB of bodies."""
    from example_service import create_narrow_app  # noqa: PLC0415  found on the path that conftest sets

    monkeypatch.setenv("NEXUS_ISSUER", issuer.url)
    monkeypatch.setenv("NEXUS_JWKS_URL", issuer.jwks_url)
    async with serving(create_narrow_app()) as url:
        yield url


class Client:
    def __init__(self, http: aiohttp.ClientSession, url: str, issuer: Issuer) -> None:
        self._http = http
        self._url = url
        self._issuer = issuer

    async def hold(self, subject: str, seconds: float, size: int = 0) -> tuple[int, str | None, Any]:
        headers = {"Authorization": f"Bearer {self._issuer.mint('example', subject=subject)}"}
        async with self._http.put(f"{self._url}/hold?seconds={seconds}", headers=headers, data=b"x" * size) as response:
            return response.status, response.headers.get("Retry-After"), await response.json(content_type=None)


@pytest.fixture
def client(http: aiohttp.ClientSession, narrow: str, issuer: Issuer) -> Client:
    return Client(http, narrow, issuer)


def outcomes(answers: list[tuple[int, str | None, Any]]) -> Counter[tuple[int, str | None]]:
    return Counter((status, retry) for status, retry, _ in answers)


async def test_requests_above_those_that_run_wait_for_their_turn(client: Client) -> None:
    answers = await asyncio.gather(*(client.hold(f"user{number}", 0.2) for number in range(8)))

    assert outcomes(answers) == {(200, None): 8}


async def test_requests_above_those_that_wait_are_shed_at_once(client: Client) -> None:
    answered = asyncio.as_completed([client.hold(f"user{number}", 1) for number in range(12)])
    answers = [await answer for answer in answered]

    assert [status for status, *_ in answers] == [503] * 4 + [200] * 8
    assert answers[0][1:] == ("2", OVERLOADED)


async def test_a_wait_ends(client: Client) -> None:
    answers = await asyncio.gather(*(client.hold(f"user{number}", 3) for number in range(5)))

    assert outcomes(answers) == {(200, None): 4, (503, "2"): 1}


async def test_one_principal_gets_its_share_only(client: Client) -> None:
    answers = await asyncio.gather(*(client.hold("alice", 0.3) for _ in range(4)))

    assert outcomes(answers) == {(200, None): 3, (429, "2"): 1}
    assert next(body for status, _, body in answers if status == 429) == {
        "type": "urn:nexus:problem:too-many-requests",
        "title": "Too many requests at once",
        "status": 429,
        "detail": "You have 3 requests in flight. Wait for answers first.",
    }


async def test_what_ended_is_not_counted_any_more(client: Client) -> None:
    for _ in range(3):
        assert outcomes(await asyncio.gather(*(client.hold("alice", 0) for _ in range(3)))) == {(200, None): 3}


async def test_health_is_answered_while_all_places_are_taken(
    client: Client, narrow: str, http: aiohttp.ClientSession
) -> None:
    held = asyncio.gather(*(client.hold(f"user{number}", 2) for number in range(4)))
    await asyncio.sleep(0.1)
    async with http.get(f"{narrow}/livez", timeout=aiohttp.ClientTimeout(total=1)) as response:
        assert response.status == 200
    await held


async def test_bodies_in_flight_share_the_memory(client: Client) -> None:
    """Two bodies of 512 KiB fit at once: the third waits for one of them."""
    answers = await asyncio.gather(*(client.hold(f"user{number}", 0.2, 512 * 1024) for number in range(3)))

    assert outcomes(answers) == {(200, None): 3}


async def test_a_body_that_finds_no_memory_is_shed(client: Client) -> None:
    answers = await asyncio.gather(*(client.hold(f"user{number}", 3, 512 * 1024) for number in range(3)))

    assert outcomes(answers) == {(200, None): 2, (503, "2"): 1}


async def test_one_principal_gets_half_of_the_memory(client: Client) -> None:
    answers = await asyncio.gather(*(client.hold("alice", 3, 400 * 1024) for _ in range(2)))

    assert outcomes(answers) == {(200, None): 1, (429, "2"): 1}


async def test_a_client_that_leaves_gives_its_place_back(client: Client) -> None:
    for _ in range(12):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.hold("alice", 0.3), 0.1)
        await asyncio.sleep(0.25)

    assert (await client.hold("alice", 0))[0] == 200


async def test_websockets_have_a_limit_of_their_own(narrow: str, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(f"{narrow}/ws") as one, http.ws_connect(f"{narrow}/ws"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{narrow}/ws")
        assert refused.value.status == 503
        await one.close()
        async with http.ws_connect(f"{narrow}/ws") as again:
            await again.send_str("still served")
            assert await again.receive_str() == "still served"


async def test_a_request_that_ends_early_leaves_its_place_once() -> None:
    admission = Admission(Limits(running=1, waiting=0))
    ticket = await admission.enter()
    ticket.close()
    ticket.close()
    held = await admission.enter()
    with pytest.raises(Problem):
        await admission.enter()
    held.close()
