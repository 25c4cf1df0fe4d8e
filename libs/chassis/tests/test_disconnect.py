import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from example_service import CANCELLED, WORK, create_app

from nexus_testkit import Issuer, serving


@pytest_asyncio.fixture
async def url(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    WORK.clear()
    CANCELLED.clear()
    monkeypatch.setenv("NEXUS_JWKS_URL", issuer.jwks_url)
    async with serving(create_app()) as running:
        yield running


async def test_the_result_of_the_work_is_returned(url: str, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{url}/work?seconds=0.05", data=b"x") as response:
        assert (response.status, await response.json()) == (200, "done")
    assert WORK == ["began", "done"]


async def test_work_is_cancelled_when_the_client_leaves(
    url: str, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(http.post(f"{url}/work?seconds=60", data=b"x"), 0.2)
    async with asyncio.timeout(20):
        await CANCELLED.wait()

    assert WORK == ["began"]
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
