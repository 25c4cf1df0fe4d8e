import asyncio
import time

import aiohttp
import example_service
import pytest

from nexus_chassis.revocations import RevocationPage, revocation_hash
from nexus_testkit import Issuer


def bearer(issuer: Issuer, lifetime: int = 600, **claims: object) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.mint('example', lifetime=lifetime, **claims)}"}


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


@pytest.mark.parametrize(
    "page",
    [
        RevocationPage("1-0", sessions=[revocation_hash("ended")]),
        RevocationPage("1-0", subjects={revocation_hash("bob"): 3}),
    ],
)
async def test_an_idle_connection_ends_at_once_with_its_session_or_the_epoch_of_its_user(
    service: str, http: aiohttp.ClientSession, issuer: Issuer, page: RevocationPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example_service, "REVOCATIONS", revocations := example_service.Revocations())
    headers = bearer(issuer, subject="bob", sid="ended", session_epoch=2)
    async with (
        http.ws_connect(f"{service}/session", headers=headers) as ended,
        http.ws_connect(f"{service}/session", headers=bearer(issuer, sid="other")) as other,
    ):
        await ended.send_str("hello")
        await ended.receive_str()
        started = time.monotonic()
        revocations.add(page)
        assert (await ended.receive()).type is aiohttp.WSMsgType.CLOSE
        assert (ended.close_code, time.monotonic() - started < 2) == (4401, True)
        await other.send_str("hello")
        assert await other.receive_str() == "hello"


async def test_a_connection_goes_on_with_a_new_token_and_ends_with_that_one(
    service: str, http: aiohttp.ClientSession, issuer: Issuer
) -> None:
    started = time.monotonic()
    async with http.ws_connect(f"{service}/session", headers=bearer(issuer, lifetime=2)) as socket:
        await socket.send_str(f"renew {issuer.mint('example', lifetime=4)}")
        assert await socket.receive_str() == "renew"
        async with asyncio.timeout(6):
            await socket.receive()
        assert (socket.close_code, time.monotonic() - started > 2.5) == (4401, True)


async def test_a_frame_above_64_kib_ends_the_connection_with_1009(
    service: str, http: aiohttp.ClientSession, issuer: Issuer
) -> None:
    async with http.ws_connect(f"{service}/session", headers=bearer(issuer)) as socket:
        await socket.send_str("x" * 65_536)
        assert await socket.receive_str() == "x" * 65_536
        await socket.send_str("x" * 65_537)
        await socket.receive()
        assert socket.close_code == 1009
