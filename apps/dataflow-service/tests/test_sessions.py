import asyncio
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from conftest import MakeSettings

from dataflow_service.app import create_app
from nexus_testkit import Issuer, serving


@pytest.fixture
async def ended_sessions() -> AsyncIterator[tuple[str, list[str]]]:
    """Address of a list of ended sessions as the gateway serves it, and the list."""
    ended: list[str] = []

    async def answer(_: web.Request) -> web.Response:
        sessions = [hashlib.sha256(session.encode()).hexdigest() for session in ended]
        return web.json_response({"sessions": sessions, "cursor": "0-0"})

    app = web.Application()
    app.router.add_get("/oauth/revocations", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/oauth/revocations", ended
    await runner.cleanup()


async def test_a_token_is_refused_within_seconds_of_the_end_of_its_session(
    make_settings: MakeSettings, issuer: Issuer, ended_sessions: tuple[str, list[str]]
) -> None:
    url, ended = ended_sessions
    signed_out, other = (
        {"Authorization": f"Bearer {issuer.mint('dataflow-service', {'data:read'}, sid=session)}"}
        for session in ("signed-out", "other")
    )
    async with (
        serving(create_app(make_settings(revocations_url=url))) as service,
        aiohttp.ClientSession(service) as client,
    ):
        assert (await client.get("/v1/product", headers=signed_out)).status == 200
        ended.append("signed-out")
        await asyncio.sleep(2.5)
        assert (await client.get("/v1/product", headers=signed_out)).status == 401
        assert (await client.get("/v1/product", headers=other)).status == 200
