"""The user `admin`, as it is at each start of the gateway."""

from pathlib import Path

import aiohttp
import asyncpg
import pytest
from conftest import PASSWORD, ask, sign_in

from nexus_gateway.app import create_app
from nexus_testkit import serving

SCOPES = [
    "admin",
    "classify",
    "data:admin",
    "data:read",
    "data:write",
    "events:publish",
    "tools:call",
    "workflows:deploy",
]
OTHER_HASH = "$argon2id$v=19$m=19456,t=2,p=1$i2YAouAKYyFIfa33XBkz6w$Kz3UWoV/y5M0qnD2bl3YvW2GkauST+ay8Do6z6KsiNE"


async def start(http: aiohttp.ClientSession, password: str) -> tuple[int, list[str]]:
    """Status and scopes of a sign-in by `admin` once the gateway has started."""
    async with serving(create_app()) as gateway:
        status, body = await sign_in(http, gateway, "admin", password)
        return status, body.get("scope", "").split()


@pytest.mark.usefixtures("environment")
class TestStart:
    async def test_the_first_start_creates_an_administrator_of_the_tenant_default(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection
    ) -> None:
        assert await start(http, PASSWORD) == (201, SCOPES)
        rows = await no_users.fetch("SELECT username, tenant, roles, disabled, email FROM users")
        assert [tuple(row) for row in rows] == [("admin", "default", ["admin"], False, None)]

    async def test_a_password_that_was_changed_later_stays(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection
    ) -> None:
        await start(http, PASSWORD)
        await no_users.execute("UPDATE users SET password_hash = $1", OTHER_HASH)

        assert (await start(http, PASSWORD))[0] == 401
        assert await no_users.fetchval("SELECT password_hash FROM users") == OTHER_HASH

    async def test_roles_that_were_changed_later_stay(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection
    ) -> None:
        await start(http, PASSWORD)
        await no_users.execute("UPDATE users SET roles = '{viewer}'")

        assert await start(http, PASSWORD) == (201, ["data:read"])

    async def test_a_changed_secret_file_sets_its_password(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection, secret_files: dict[str, Path]
    ) -> None:
        await start(http, PASSWORD)
        secret_files["NEXUS_ADMIN_PASSWORD_FILE"].write_text("another")

        assert await start(http, "another") == (201, SCOPES)
        assert (await start(http, PASSWORD))[0] == 401
        assert await no_users.fetchval("SELECT count(*) FROM users") == 1

    @pytest.mark.usefixtures("no_users")
    async def test_a_changed_secret_file_ends_the_sessions_of_the_former_password(
        self, http: aiohttp.ClientSession, secret_files: dict[str, Path]
    ) -> None:
        async with serving(create_app()) as gateway:
            _, signed_in = await sign_in(http, gateway, "admin", PASSWORD)
        headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
        async with serving(create_app()) as gateway:
            before = (await ask(http, "GET", f"{gateway}/v1/me", headers))[0]
        secret_files["NEXUS_ADMIN_PASSWORD_FILE"].write_text("another")
        async with serving(create_app()) as gateway:
            after = (await ask(http, "GET", f"{gateway}/v1/me", headers))[0]

        assert (before, after) == (200, 401)

    async def test_a_changed_secret_file_waits_for_redis_where_sessions_end(
        self,
        http: aiohttp.ClientSession,
        no_users: asyncpg.Connection,
        secret_files: dict[str, Path],
        environment: pytest.MonkeyPatch,
    ) -> None:
        await start(http, PASSWORD)
        before = await no_users.fetch("SELECT * FROM users")
        secret_files["NEXUS_ADMIN_PASSWORD_FILE"].write_text("another")
        environment.setenv("NEXUS_REDIS_URL", "redis://127.0.0.1:9/0")
        async with serving(create_app()) as gateway:
            ready = (await ask(http, "GET", f"{gateway}/readyz", {}))[0]

        assert (ready, await no_users.fetch("SELECT * FROM users")) == (503, before)

    @pytest.mark.usefixtures("no_users")
    async def test_a_new_route_adds_its_scope(
        self, http: aiohttp.ClientSession, environment: pytest.MonkeyPatch
    ) -> None:
        await start(http, PASSWORD)
        environment.setenv("NEXUS_ROUTES", "pricing=http://127.0.0.1:9")

        assert await start(http, PASSWORD) == (201, sorted([*SCOPES, "pricing"]))

    async def test_the_user_is_not_made_again_when_there_is_another_administrator(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection
    ) -> None:
        await no_users.execute("INSERT INTO users (username, roles) VALUES ('alice', '{admin}')")

        assert (await start(http, PASSWORD))[0] == 401
        assert await no_users.fetchval("SELECT array_agg(username) FROM users") == ["alice"]

    @pytest.mark.parametrize(
        ("tenant", "role", "disabled"),
        [("acme", "admin", False), ("default", "admin", True), ("default", "viewer", False)],
    )
    async def test_who_cannot_administer_the_platform_is_no_other_administrator(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection, tenant: str, role: str, *, disabled: bool
    ) -> None:
        await no_users.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme')")
        await no_users.execute(
            "INSERT INTO users (username, tenant, roles, disabled) VALUES ('alice', $1, ARRAY[$2], $3)",
            tenant,
            role,
            disabled,
        )

        assert await start(http, PASSWORD) == (201, SCOPES)

    async def test_a_user_of_that_name_whom_the_gateway_did_not_make_keeps_the_password(
        self, http: aiohttp.ClientSession, no_users: asyncpg.Connection
    ) -> None:
        await no_users.execute(
            "INSERT INTO users (username, roles, password_hash) VALUES ('admin', '{admin}', $1)", OTHER_HASH
        )

        assert (await start(http, PASSWORD))[0] == 401
        assert await no_users.fetchval("SELECT password_hash FROM users") == OTHER_HASH
