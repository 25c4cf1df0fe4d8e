"""Each change of a tenant, role, user or password is audited with it."""

import json
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import PASSWORD, ask, sign_in

NEW = "another battery staple"
ROWS = """
SELECT action, outcome, tenant, subject, client_id, session, target, address, detail
FROM audit_events WHERE action ~ '^(tenant|role|user|password)\\.' ORDER BY seq
"""


@pytest.fixture
async def by_admin(database: asyncpg.Connection, session: dict[str, Any]) -> dict[str, Any]:
    """What rows have in common that the user `admin` caused."""
    return {
        "outcome": "success",
        "tenant": "default",
        "subject": str(await database.fetchval("SELECT id FROM users WHERE username = 'admin'")),
        "client_id": "nexus",
        "session": session["session_id"],
        "address": "127.0.0.1",
    }


async def rows(database: asyncpg.Connection) -> list[dict[str, Any]]:
    await database.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    return [dict(row) for row in await database.fetch(ROWS)]


async def test_changes_of_administrators(
    gateway: str,
    http: aiohttp.ClientSession,
    admin: dict[str, str],
    database: asyncpg.Connection,
    by_admin: dict[str, Any],
) -> None:
    users, role = f"{gateway}/v1/users", f"{gateway}/v1/roles/buyer"
    await ask(http, "POST", f"{gateway}/v1/tenants", admin, {"id": "acme", "name": "Acme"})
    await ask(http, "PUT", role, admin, {"scopes": ["data:read", "classify"]})
    await ask(http, "DELETE", role, admin)
    _, user = await ask(http, "POST", users, admin, {"username": "alice", "tenant": "acme", "roles": ["viewer"]})
    path, alice = f"{users}/{user['id']}", user["id"]
    await ask(http, "PATCH", path, admin, {"roles": ["editor"], "email": "alice@example.com", "disabled": True})
    await ask(http, "POST", f"{path}/password-reset", admin)
    await ask(http, "DELETE", path, admin)
    await ask(http, "DELETE", path, admin)  # refused, as there is no such user any more

    changed = {"username": "alice", "roles": "editor", "email": "changed", "disabled": "true"}
    created = {"username": "alice", "tenant": "acme", "roles": "viewer"}
    assert await rows(database) == [
        by_admin | {"action": action, "target": target, "detail": detail}
        for action, target, detail in [
            ("tenant.create", "acme", {"name": "Acme"}),
            ("role.put", "buyer", {"scopes": "classify data:read"}),
            ("role.remove", "buyer", {}),
            ("user.create", alice, created),
            ("user.update", alice, changed),
            ("password.link", alice, {"username": "alice"}),
            ("user.delete", alice, {"username": "alice", "tenant": "acme"}),
        ]
    ]


async def test_passwords_that_their_users_set(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], database: asyncpg.Connection
) -> None:
    body = {"username": "alice", "password": PASSWORD}
    alice = (await ask(http, "POST", f"{gateway}/v1/users", admin, body))[1]["id"]
    _, signed_in = await sign_in(http, gateway, "alice", PASSWORD)
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    change = {"current_password": PASSWORD, "new_password": NEW}
    await ask(http, "PUT", f"{gateway}/v1/me/password", headers, change)
    _, link = await ask(http, "POST", f"{gateway}/v1/users/{alice}/password-reset", admin)
    reset = {"token": link["url"].rpartition("/")[2], "new_password": PASSWORD}
    await ask(http, "POST", f"{gateway}/v1/password-reset", {}, reset)

    common = {
        "outcome": "success",
        "tenant": "default",
        "client_id": None,
        "session": None,
        "target": alice,
        "address": "127.0.0.1",
        "detail": {"username": "alice"},
    }
    assert [row for row in await rows(database) if row["action"] in {"password.change", "password.reset"}] == [
        common | {"action": "password.change", "subject": alice},
        common | {"action": "password.reset", "subject": None},
    ]
