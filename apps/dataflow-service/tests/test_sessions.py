import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from conftest import MakeSettings

from dataflow_service.app import create_app
from nexus_chassis.revocation_stream import revoke_key, revoke_session, revoke_subject
from nexus_testkit import Issuer, RevocationServer, revocation_server, serving


@pytest.fixture
async def revoking(redis_url: str) -> AsyncIterator[RevocationServer]:
    """What ended, as the gateway answers it."""
    async with revocation_server(redis_url) as server:
        yield server


async def test_tokens_are_refused_within_a_second_of_the_end_of_their_session_their_epoch_or_their_key(
    make_settings: MakeSettings, issuer: Issuer, revoking: RevocationServer
) -> None:
    tokens = [
        issuer.mint("dataflow-service", {"data:read"}, subject=subject, sid=session, session_epoch=1)
        for subject, session in (("alice", "ended"), ("bob", "of-bob"), ("carol", "other"))
    ]
    async with (
        serving(create_app(make_settings(revocations_url=revoking.url))) as service,
        aiohttp.ClientSession(service) as client,
    ):

        async def statuses() -> list[int]:
            headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
            return [(await client.get("/v1/product", headers=each)).status for each in headers]

        async def until(expected: list[int]) -> None:
            started = time.monotonic()
            while await statuses() != expected:
                assert time.monotonic() - started < 1
                await asyncio.sleep(0.02)

        assert await statuses() == [200, 200, 200]
        await revoke_session(revoking.redis, "ended")
        await until([401, 200, 200])
        await revoke_subject(revoking.redis, "bob", 2)
        await until([401, 401, 200])
        await revoke_key(revoking.redis, str(issuer.key.kid))
        await until([401, 401, 401])
