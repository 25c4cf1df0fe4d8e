"""Signing keys of two gateway processes that serve at once."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from conftest import CLIENT_SECRET, PASSWORD
from key_store import ISSUER, Replica

from nexus_chassis.jose import read_token
from nexus_chassis.postgres import open_database
from nexus_chassis.tokens import InvalidTokenError, TokenVerifier
from nexus_gateway.oauth.keys.models import PUBLISHED_BEFORE
from nexus_gateway.oauth.keys.signing_key import SigningKey
from nexus_gateway.opening import MIGRATIONS
from nexus_gateway.settings import Settings
from nexus_testkit import ServiceProcess

APP = Path(__file__).parent.parent.parent.parent
SERVICE = "dataflow-service"
MIN_REQUESTS = 500
CLIENT = {"Authorization": aiohttp.encode_basic_auth("mcp-server", CLIENT_SECRET)}


@pytest.fixture
def processes(environment: pytest.MonkeyPatch) -> Iterator[list[ServiceProcess]]:
    """Two gateways with the same stores and secrets, one of them with two workers."""
    environment.delenv("NEXUS_ROUTES", raising=False)
    environment.chdir(APP)
    started = [ServiceProcess(("-m", "nexus_gateway"), {"WEB_CONCURRENCY": workers}) for workers in ("1", "2")]
    for process in started:
        process.wait_until_it_answers()
    yield started
    for process in started:
        if process.process.poll() is None:
            process.stop()


@pytest_asyncio.fixture
async def store(processes: list[ServiceProcess], secret_files: dict[str, Path]) -> AsyncIterator[Replica]:
    """The keys of those gateways, with a next key that may sign."""
    assert processes
    async with open_database(Settings(), MIGRATIONS) as database:
        store = Replica(database, SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"]))
        await store.age(PUBLISHED_BEFORE)
        yield store


class Load:
    """Requests at both gateways in turn, each of whose tokens a service verifies."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str]) -> None:
        self._http = http
        self._urls = itertools.cycle(urls)
        self._service = TokenVerifier(ISSUER, SERVICE, f"{urls[0]}/.well-known/jwks.json")
        self.sent = 0
        self.failures: list[Any] = []
        self.signers: list[str] = []

    async def sign_in(self) -> dict[str, str]:
        credentials = {"username": "admin", "password": PASSWORD}
        async with self._http.post(f"{next(self._urls)}/v1/sessions", json=credentials) as response:
            return {"Authorization": f"Bearer {(await response.json())['access_token']}"}

    async def run(self, headers: dict[str, str], until: asyncio.Event) -> None:
        while not until.is_set() or self.sent < MIN_REQUESTS:
            await self._ask("GET", "/v1/me", headers=headers)
            form = {"grant_type": "client_credentials", "audience": SERVICE}
            answer = await self._ask("POST", "/oauth/token", data=form, headers=CLIENT)
            if answer is not None:
                await self._verify(answer["access_token"])

    async def _ask(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401  aiohttp's own, and JSON
        self.sent += 1
        async with self._http.request(method, f"{next(self._urls)}{path}", **options) as response:
            body = await response.json()
            if response.status == 200:
                return body
            self.failures.append((response.status, body))
            return None

    async def _verify(self, token: str) -> None:
        try:
            await self._service.verify(token)
        except InvalidTokenError as error:
            self.failures.append(str(error))
        self.signers.append(read_token(token, "at+jwt").key_id)


async def test_no_request_fails_while_the_key_is_rotated(
    processes: list[ServiceProcess], store: Replica, http: aiohttp.ClientSession
) -> None:
    load, over = Load(http, [process.url for process in processes]), asyncio.Event()
    headers = await load.sign_in()
    before, upcoming = await store.kid("current"), await store.kid("next")
    running = asyncio.gather(*(load.run(headers, over) for _ in range(4)))
    await asyncio.sleep(1)
    await store.service.rotate()
    await asyncio.sleep(2.5)
    over.set()
    await running

    assert load.failures == []
    assert load.sent >= MIN_REQUESTS
    assert list(dict.fromkeys(load.signers[:1] + load.signers[-20:])) == [before, upcoming]


async def test_a_withdrawn_key_ends_the_tokens_that_the_gateways_have_verified(
    processes: list[ServiceProcess], store: Replica, http: aiohttp.ClientSession
) -> None:
    load = Load(http, [process.url for process in processes])
    headers = await load.sign_in()

    async def statuses() -> list[int]:
        found = []
        for url in [process.url for process in processes] * 4:
            async with http.get(f"{url}/v1/me", headers=headers) as response:
                found.append(response.status)
        return found

    assert await statuses() == [200] * 8
    await store.service.withdraw(await store.kid("current"))
    await asyncio.sleep(1.5)
    assert await statuses() == [401] * 8
    headers = await load.sign_in()
    assert await statuses() == [200] * 8


async def test_replicas_rotate_once_when_the_period_is_over(
    processes: list[ServiceProcess], store: Replica, http: aiohttp.ClientSession
) -> None:
    await store.age(timedelta(days=30))
    await asyncio.sleep(2.5)

    assert sorted((await store.states()).values()) == ["current", "next", "previous"]
    published = []
    for process in processes:
        async with http.get(f"{process.url}/.well-known/jwks.json") as response:
            published.append([key["kid"] for key in (await response.json())["keys"]])
    expected = [key.kid for key in (await store.keys()).published]
    assert published == [expected, expected]
