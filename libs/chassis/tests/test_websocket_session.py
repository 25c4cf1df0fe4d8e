import asyncio

import aiohttp
import pytest

from nexus_testkit import Issuer


def bearer(issuer: Issuer, lifetime: int = 600) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.mint('example', lifetime=lifetime)}"}


async def test_text_is_exchanged(service: str, http: aiohttp.ClientSession, issuer: Issuer) -> None:
    async with http.ws_connect(f"{service}/session", headers=bearer(issuer)) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"


async def test_a_binary_frame_ends_the_connection_with_1003(
    service: str, http: aiohttp.ClientSession, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    async with http.ws_connect(f"{service}/session", headers=bearer(issuer)) as socket:
        await socket.send_bytes(b"\0")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1003
    assert caplog.records == []


async def test_an_idle_connection_ends_with_its_token(
    service: str, http: aiohttp.ClientSession, issuer: Issuer
) -> None:
    async with http.ws_connect(f"{service}/session", headers=bearer(issuer, lifetime=2)) as socket:
        async with asyncio.timeout(4):
            await socket.receive()
        assert socket.close_code == 4401


async def test_a_frame_above_64_kib_ends_the_connection_with_1009(
    service: str, http: aiohttp.ClientSession, issuer: Issuer
) -> None:
    async with http.ws_connect(f"{service}/session", headers=bearer(issuer)) as socket:
        await socket.send_str("x" * 65_536)
        assert await socket.receive_str() == "x" * 65_536
        await socket.send_str("x" * 65_537)
        await socket.receive()
        assert socket.close_code == 1009
