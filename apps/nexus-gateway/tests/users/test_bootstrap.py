"""The user `admin`, as it is at each start of the gateway."""

from pathlib import Path

import aiohttp
import asyncpg
import pytest
from conftest import PASSWORD, sign_in

from nexus_gateway.app import create_app
from nexus_testkit import serving

SCOPES = ["admin", "classify", "data:admin", "data:read", "data:write", "tools:call", "workflows:deploy"]


async def start(http: aiohttp.ClientSession, password: str) -> tuple[int, list[str]]:
    """Status and scopes of a sign-in by `admin` once the gateway has started."""
    async with serving(create_app()) as gateway:
        status, body = await sign_in(http, gateway, "admin", password)
        return status, body.get("scope", "").split()


@pytest.mark.usefixtures("environment")
class TestStart:
    async def test_the_first_start_creates_the_user_with_every_scope(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection
    ) -> None:
        assert await start(http, PASSWORD) == (201, SCOPES)
        assert await no_users.fetchval("SELECT count(*) FROM users") == 1

    async def test_a_password_that_was_changed_later_stays(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection
    ) -> None:
        await start(http, PASSWORD)
        changed = "$argon2id$v=19$m=19456,t=2,p=1$i2YAouAKYyFIfa33XBkz6w$Kz3UWoV/y5M0qnD2bl3YvW2GkauST+ay8Do6z6KsiNE"
        await no_users.execute("UPDATE users SET password_hash = $1", changed)

        assert (await start(http, PASSWORD))[0] == 401
        assert await no_users.fetchval("SELECT password_hash FROM users") == changed

    async def test_scopes_that_were_taken_away_later_stay_away(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection
    ) -> None:
        await start(http, PASSWORD)
        await no_users.execute("UPDATE users SET scopes = '{admin}'")

        assert await start(http, PASSWORD) == (201, ["admin"])

    async def test_a_changed_secret_file_sets_its_password(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection, secret_files: dict[str, Path]
    ) -> None:
        await start(http, PASSWORD)
        secret_files["NEXUS_ADMIN_PASSWORD_FILE"].write_text("another")

        assert await start(http, "another") == (201, SCOPES)
        assert (await start(http, PASSWORD))[0] == 401
        assert await no_users.fetchval("SELECT count(*) FROM users") == 1

    async def test_a_new_route_adds_its_scope_to_those_that_the_user_has(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection, environment: pytest.MonkeyPatch
    ) -> None:
        await start(http, PASSWORD)
        await no_users.execute("UPDATE users SET scopes = '{admin}'")
        environment.setenv("NEXUS_ROUTES", "pricing=http://127.0.0.1:9")

        assert await start(http, PASSWORD) == (201, ["admin", "pricing"])
        assert await start(http, PASSWORD) == (201, ["admin", "pricing"])
