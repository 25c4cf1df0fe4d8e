"""The platform keeps an administrator who may sign in."""

import asyncio

import aiohttp
import asyncpg
import pytest
from conftest import ask, problem

LAST = problem(
    409,
    "last-admin",
    "This is the last administrator",
    "The tenant default would have no enabled administrator left. Make somebody else one first.",
)
CHANGES = pytest.mark.parametrize(
    ("method", "body"), [("DELETE", None), ("PATCH", {"disabled": True}), ("PATCH", {"roles": ["operator"]})]
)


async def add_administrators(database: asyncpg.Connection, *names: str) -> list[str]:
    query = "INSERT INTO users (username, roles) VALUES ($1, '{admin}') RETURNING id::text"
    return [await database.fetchval(query, name) for name in names]


@pytest.fixture
async def own(database: asyncpg.Connection) -> str:
    """The id of the user `admin`."""
    return str(await database.fetchval("SELECT id FROM users WHERE username = 'admin'"))


@CHANGES
async def test_the_last_administrator_stays(
    *,
    gateway: str,
    http: aiohttp.ClientSession,
    admin: dict[str, str],
    database: asyncpg.Connection,
    own: str,
    method: str,
    body: object,
) -> None:
    await database.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme')")
    await database.execute(
        "INSERT INTO users (username, tenant, roles, disabled) VALUES "
        "('alice', 'acme', '{admin}', false), ('bob', 'default', '{admin}', true), ('carol', 'default', '{editor}', false)"
    )
    before = await database.fetch("SELECT * FROM users ORDER BY id")

    assert await ask(http, method, f"{gateway}/v1/users/{own}", admin, body) == LAST
    assert await database.fetch("SELECT * FROM users ORDER BY id") == before
    assert (await ask(http, "GET", f"{gateway}/v1/me", admin))[0] == 200


@CHANGES
async def test_of_two_administrators_one_may_go(
    *,
    gateway: str,
    http: aiohttp.ClientSession,
    admin: dict[str, str],
    database: asyncpg.Connection,
    own: str,
    method: str,
    body: object,
) -> None:
    (other,) = await add_administrators(database, "alice")

    assert (await ask(http, method, f"{gateway}/v1/users/{other}", admin, body))[0] in {200, 204}
    assert await ask(http, method, f"{gateway}/v1/users/{own}", admin, body) == LAST


@CHANGES
async def test_of_changes_at_once_that_take_away_all_administrators_the_last_is_refused(
    *,
    gateway: str,
    http: aiohttp.ClientSession,
    admin: dict[str, str],
    database: asyncpg.Connection,
    method: str,
    body: object,
) -> None:
    """The sender is no user of the gateway's any more: its token is still valid when the changes begin."""
    others = await add_administrators(database, *(f"admin{number}" for number in range(8)))
    await database.execute("DELETE FROM users WHERE username = 'admin'")
    changes = [ask(http, method, f"{gateway}/v1/users/{user}", admin, body) for user in others]
    answers = await asyncio.gather(*changes)

    assert [answer for answer in answers if answer[0] == 409] == [LAST]
    assert sum(status in {200, 204} for status, _ in answers) == 7
    left = "SELECT count(*) FROM users WHERE roles = '{admin}' AND NOT disabled"
    assert await database.fetchval(left) == 1


async def test_other_members_of_the_last_administrator_can_be_changed(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], own: str
) -> None:
    body = {"email": "admin@example.com", "roles": ["admin", "viewer"], "disabled": False}
    status, user = await ask(http, "PATCH", f"{gateway}/v1/users/{own}", admin, body)

    assert (status, {name: user[name] for name in body}) == (200, body)


async def test_administrators_of_a_tenant_may_all_go(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], database: asyncpg.Connection
) -> None:
    await database.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme')")
    query = "INSERT INTO users (username, tenant, roles) VALUES ('alice', 'acme', '{admin}') RETURNING id::text"

    assert await ask(http, "DELETE", f"{gateway}/v1/users/{await database.fetchval(query)}", admin) == (204, None)
