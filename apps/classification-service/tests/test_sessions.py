import asyncio
import time

import aiohttp

from classification_service.app import create_app
from classification_service.settings import Settings
from nexus_chassis.revocation_stream import revoke_key, revoke_session, revoke_subject
from nexus_testkit import Issuer, revocation_server, serving


async def test_tokens_are_refused_within_a_second_of_the_end_of_their_session_their_epoch_or_their_key(
    issuer: Issuer, redis_url: str
) -> None:
    tokens = [
        issuer.mint("classification-service", {"classify"}, subject=subject, sid=session, session_epoch=1)
        for subject, session in (("alice", "ended"), ("bob", "of-bob"), ("carol", "other"))
    ]
    async with (
        revocation_server(redis_url) as revoking,
        serving(
            create_app(Settings(issuer=issuer.url, jwks_url=issuer.jwks_url, revocations_url=revoking.url))
        ) as service,
        aiohttp.ClientSession(service) as client,
    ):

        async def statuses() -> list[int]:
            headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
            return [(await client.get("/v1/taxonomies", headers=each)).status for each in headers]

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
