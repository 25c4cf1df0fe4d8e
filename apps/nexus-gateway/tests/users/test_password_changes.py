"""Changing the own password, and setting one by a link of an administrator."""

import asyncio
import hashlib
import time
from typing import Any

import aiohttp
import pytest
from conftest import PASSWORD, ask, problem, sign_in
from redis.asyncio import Redis

NEW = "another battery staple"
INVALID_LINK = problem(
    400,
    "invalid-reset-token",
    "The link is not valid",
    "The link was used, has expired, or the password was set since. Ask an administrator for a new one.",
)
WRONG = problem(
    403,
    "wrong-password",
    "The current password is wrong",
    "The current password is another one. Check its spelling, or ask an administrator for a link to reset it.",
)


def weak(reason: str) -> tuple[int, dict[str, object]]:
    return problem(400, "weak-password", "The new password is refused", reason)


@pytest.fixture
async def alice(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> dict[str, Any]:
    _, user = await ask(http, "POST", f"{gateway}/v1/users", admin, {"username": "alice", "password": PASSWORD})
    return dict(user)


@pytest.fixture
async def headers(gateway: str, http: aiohttp.ClientSession, alice: dict[str, Any]) -> dict[str, str]:
    _, signed_in = await sign_in(http, gateway, alice["username"], PASSWORD)
    return {"Authorization": f"Bearer {signed_in['access_token']}"}


async def change(
    http: aiohttp.ClientSession, gateway: str, headers: dict[str, str], current: str, new: str
) -> tuple[int, Any]:
    body = {"current_password": current, "new_password": new}
    return await ask(http, "PUT", f"{gateway}/v1/me/password", headers, body)


class TestChange:
    async def test_the_new_password_counts_and_all_sessions_end(
        self, gateway: str, http: aiohttp.ClientSession, headers: dict[str, str]
    ) -> None:
        _, other = await sign_in(http, gateway, "alice", PASSWORD)

        assert await change(http, gateway, headers, PASSWORD, NEW) == (204, None)
        for held in (headers, {"Authorization": f"Bearer {other['access_token']}"}):
            assert (await ask(http, "GET", f"{gateway}/v1/me", held))[0] == 401
        assert (await sign_in(http, gateway, "alice", PASSWORD))[0] == 401
        assert (await sign_in(http, gateway, "alice", NEW))[0] == 201

    @pytest.mark.parametrize(
        ("new", "reason"),
        [
            ("short", "It has 5 characters. Use 12 to 1024."),
            ("é" * 12, "It is one character, repeated. Use another one."),
            (PASSWORD, "It is the current password. Use another one."),
        ],
    )
    async def test_a_weak_password_is_refused_and_the_session_lasts(
        self, gateway: str, http: aiohttp.ClientSession, headers: dict[str, str], new: str, reason: str
    ) -> None:
        assert await change(http, gateway, headers, PASSWORD, new) == weak(reason)
        assert (await ask(http, "GET", f"{gateway}/v1/me", headers))[0] == 200

    async def test_the_current_password_cannot_be_guessed(
        self, gateway: str, http: aiohttp.ClientSession, headers: dict[str, str]
    ) -> None:
        answers = [await change(http, gateway, headers, "wrong", NEW) for _ in range(10)]
        eleventh = await change(http, gateway, headers, PASSWORD, NEW)

        assert answers == [WRONG] * 10
        assert (eleventh[0], eleventh[1]["type"]) == (429, "urn:nexus:problem:too-many-attempts")
        assert (await sign_in(http, gateway, "alice", PASSWORD))[0] == 201

    async def test_one_of_two_changes_at_once_counts(
        self, gateway: str, http: aiohttp.ClientSession, headers: dict[str, str]
    ) -> None:
        news = [f"{NEW} {number}" for number in range(4)]
        answers = await asyncio.gather(*(change(http, gateway, headers, PASSWORD, new) for new in news))
        signed_in = [(await sign_in(http, gateway, "alice", new))[0] for new in news]

        assert sorted(status == 204 for status, _ in answers) == [False, False, False, True]
        assert [status == 204 for status, _ in answers] == [status == 201 for status in signed_in]

    async def test_it_needs_a_token(self, gateway: str, http: aiohttp.ClientSession) -> None:
        assert (await change(http, gateway, {}, PASSWORD, NEW))[0] == 401


class TestReset:
    @pytest.fixture
    async def link(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], alice: dict[str, Any]
    ) -> dict[str, Any]:
        async with http.post(f"{gateway}/v1/users/{alice['id']}/password-reset", headers=admin) as response:
            assert (response.status, response.headers["Cache-Control"]) == (201, "no-store")
            return dict(await response.json())

    @pytest.fixture
    def token(self, link: dict[str, Any]) -> str:
        return str(link["url"].rpartition("/")[2])

    @staticmethod
    async def reset(http: aiohttp.ClientSession, gateway: str, token: str, new: str = NEW) -> tuple[int, Any]:
        return await ask(http, "POST", f"{gateway}/v1/password-reset", {}, {"token": token, "new_password": new})

    async def test_the_link_leads_to_the_page_and_its_token_is_kept_hashed_for_an_hour(
        self, link: dict[str, Any], token: str, alice: dict[str, Any], redis_url: str
    ) -> None:
        async with Redis.from_url(redis_url, decode_responses=True) as redis:
            keys = await redis.keys("gateway:password-reset:*")
            value, seconds = await redis.get(keys[0]), await redis.ttl(keys[0])

        assert link == {"url": f"http://localhost:8000/password-reset/{token}", "expires_at": link["expires_at"]}
        assert 3590 < link["expires_at"] - time.time() <= 3600
        assert keys == [f"gateway:password-reset:{hashlib.sha256(token.encode()).hexdigest()}"]
        assert value.split()[0] == alice["id"]
        assert 3590 < seconds <= 3600

    async def test_the_new_password_counts_and_all_sessions_end(
        self, gateway: str, http: aiohttp.ClientSession, headers: dict[str, str], token: str
    ) -> None:
        assert await self.reset(http, gateway, token) == (204, None)
        assert (await ask(http, "GET", f"{gateway}/v1/me", headers))[0] == 401
        assert (await sign_in(http, gateway, "alice", PASSWORD))[0] == 401
        assert (await sign_in(http, gateway, "alice", NEW))[0] == 201

    async def test_a_link_is_used_once(self, gateway: str, http: aiohttp.ClientSession, token: str) -> None:
        answers = await asyncio.gather(*(self.reset(http, gateway, token, f"{NEW} {number}") for number in range(4)))

        assert sorted(status for status, _ in answers) == [204, 400, 400, 400]
        assert await self.reset(http, gateway, token) == INVALID_LINK

    async def test_a_weak_password_leaves_the_link_as_it_is(
        self, gateway: str, http: aiohttp.ClientSession, token: str
    ) -> None:
        assert await self.reset(http, gateway, token, "short") == weak("It has 5 characters. Use 12 to 1024.")
        assert await self.reset(http, gateway, token) == (204, None)

    async def test_a_link_ends_when_the_password_is_set_by_other_means(
        self, gateway: str, http: aiohttp.ClientSession, headers: dict[str, str], token: str
    ) -> None:
        await change(http, gateway, headers, PASSWORD, NEW)

        assert await self.reset(http, gateway, token) == INVALID_LINK

    async def test_a_link_ends_with_its_user(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], alice: dict[str, Any], token: str
    ) -> None:
        await ask(http, "DELETE", f"{gateway}/v1/users/{alice['id']}", admin)

        assert await self.reset(http, gateway, token) == INVALID_LINK

    async def test_a_link_gives_a_password_to_a_user_without_one(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        _, bob = await ask(http, "POST", f"{gateway}/v1/users", admin, {"username": "bob"})
        _, link = await ask(http, "POST", f"{gateway}/v1/users/{bob['id']}/password-reset", admin)

        assert await self.reset(http, gateway, link["url"].rpartition("/")[2]) == (204, None)
        assert (await sign_in(http, gateway, "bob", NEW))[0] == 201

    @pytest.mark.parametrize("token", ["x", "é\x00"])
    async def test_what_is_no_token_is_refused(self, gateway: str, http: aiohttp.ClientSession, token: str) -> None:
        assert await self.reset(http, gateway, token) == INVALID_LINK

    @pytest.mark.parametrize("members", [{"token": ""}, {"token": "x" * 129}, {"new_password": "x" * 1025}])
    async def test_what_is_no_request_is_refused(
        self, gateway: str, http: aiohttp.ClientSession, members: dict[str, str]
    ) -> None:
        body = {"token": "x", "new_password": NEW} | members

        assert (await ask(http, "POST", f"{gateway}/v1/password-reset", {}, body))[0] == 422
