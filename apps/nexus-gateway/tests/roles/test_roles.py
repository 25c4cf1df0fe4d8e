import asyncio

import aiohttp
import asyncpg
import pytest
from conftest import PASSWORD, AddUser, ask, problem, sign_in

from nexus_gateway.auth.scopes import all_scopes

EVERY_SCOPE = sorted(all_scopes(()))
SEEDED = [
    {"name": "admin", "scopes": EVERY_SCOPE},
    {"name": "editor", "scopes": ["classify", "data:read", "data:write", "tools:call"]},
    {
        "name": "operator",
        "scopes": ["classify", "data:admin", "data:read", "data:write", "tools:call", "workflows:deploy"],
    },
    {"name": "viewer", "scopes": ["data:read"]},
]
BUILT_IN = problem(
    409,
    "built-in-role",
    "The role is built in",
    "The role admin always has every scope. Create another role with those that you want.",
)
PLATFORM_ONLY = problem(
    403,
    "platform-only",
    "This concerns all tenants",
    "Only administrators of the tenant default may do this. Ask one of them.",
)


@pytest.fixture
def url(gateway: str) -> str:
    return f"{gateway}/v1/roles"


async def test_the_gateway_starts_with_four_roles(url: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    assert await ask(http, "GET", url, admin) == (200, {"items": SEEDED, "next": None})


async def test_roles_come_in_pages(url: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    first = await ask(http, "GET", f"{url}?limit=3", admin)
    second = await ask(http, "GET", f"{url}?limit=3&after=operator", admin)

    assert first == (200, {"items": SEEDED[:3], "next": "operator"})
    assert second == (200, {"items": SEEDED[3:], "next": None})


async def test_a_role_is_created_changed_and_removed(
    url: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    buyer = f"{url}/buyer"
    created = await ask(http, "PUT", buyer, admin, {"scopes": ["data:read", "classify", "classify"]})
    changed = await ask(http, "PUT", buyer, admin, {"scopes": []})
    removed = await ask(http, "DELETE", buyer, admin)

    assert created == (201, {"name": "buyer", "scopes": ["classify", "data:read"]})
    assert changed == (200, {"name": "buyer", "scopes": []})
    assert removed == (204, None)
    assert await ask(http, "DELETE", buyer, admin) == problem(
        404, "no-such-role", "There is no such role", "There is no role buyer. List the roles."
    )


async def test_the_role_admin_stays_as_it_is(url: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    assert await ask(http, "PUT", f"{url}/admin", admin, {"scopes": ["data:read"]}) == BUILT_IN
    assert await ask(http, "DELETE", f"{url}/admin", admin) == BUILT_IN


@pytest.mark.parametrize("scope", ["admin", "data:reed", "€", 'a"b'])
async def test_a_role_has_known_scopes_but_not_that_of_administrators(
    url: str, http: aiohttp.ClientSession, admin: dict[str, str], scope: str
) -> None:
    known = ", ".join(name for name in EVERY_SCOPE if name != "admin")

    assert await ask(http, "PUT", f"{url}/buyer", admin, {"scopes": ["data:read", scope]}) == problem(
        400, "unknown-scope", "There is no such scope for roles", f"Found {scope!r}. A role can have {known}."
    )


@pytest.mark.parametrize("name", ["Buyer", "-", "a" * 64, "b%00"])
async def test_a_name_of_other_characters_is_refused(
    url: str, http: aiohttp.ClientSession, admin: dict[str, str], name: str
) -> None:
    status, answer = await ask(http, "PUT", f"{url}/{name}", admin, {"scopes": []})

    assert (status, [fault["pointer"] for fault in answer["errors"]]) == (422, ["/path/name"])


async def test_a_role_that_users_have_is_not_removed(
    url: str, http: aiohttp.ClientSession, admin: dict[str, str], database: asyncpg.Connection
) -> None:
    await database.execute(
        "INSERT INTO users (username, roles) VALUES ('alice', '{viewer,editor}'), ('bob', '{viewer}')"
    )

    assert await ask(http, "DELETE", f"{url}/viewer", admin) == problem(
        409,
        "role-in-use",
        "Users have the role",
        "The role viewer belongs to 2 users. Take it away from them first.",
        users=2,
    )


async def test_a_role_that_is_assigned_at_this_moment_is_not_removed(
    url: str, http: aiohttp.ClientSession, admin: dict[str, str], database: asyncpg.Connection
) -> None:
    async with database.transaction():
        await database.execute("SELECT FROM roles WHERE name = 'viewer' FOR SHARE")
        await database.execute("INSERT INTO users (username, roles) VALUES ('alice', '{viewer}')")
        removing = asyncio.create_task(ask(http, "DELETE", f"{url}/viewer", admin))
        await asyncio.sleep(0.2)
        assert not removing.done()

    assert (await removing)[0] == 409


async def test_a_changed_role_counts_for_its_users_at_once(
    url: str,
    gateway: str,
    http: aiohttp.ClientSession,
    admin: dict[str, str],
    add_user: AddUser,
) -> None:
    user, other = await add_user("data:read"), await add_user("classify")
    _, me = await ask(http, "GET", f"{gateway}/v1/me", user)
    (name,) = me["roles"]  # of the user's own name
    await ask(http, "PUT", f"{url}/{name}", admin, {"scopes": ["classify", "data:read"]})

    assert (await ask(http, "GET", f"{gateway}/v1/me", user))[0] == 401
    assert (await ask(http, "GET", f"{gateway}/v1/me", other))[0] == 200
    _, signed_in = await sign_in(http, gateway, name, PASSWORD)
    assert signed_in["scope"] == "classify data:read"


async def test_administrators_of_a_tenant_read_roles_and_change_none(
    url: str, http: aiohttp.ClientSession, database: asyncpg.Connection, add_user: AddUser
) -> None:
    await database.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme')")
    headers = await add_user("admin", tenant="acme")

    assert await ask(http, "GET", url, headers) == (200, {"items": SEEDED, "next": None})
    assert await ask(http, "PUT", f"{url}/buyer", headers, {"scopes": []}) == PLATFORM_ONLY
    assert await ask(http, "DELETE", f"{url}/viewer", headers) == PLATFORM_ONLY


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_roles_are_for_administrators(
    url: str, http: aiohttp.ClientSession, add_user: AddUser, method: str
) -> None:
    path, body = ("", None) if method == "GET" else ("/viewer", {"scopes": []} if method == "PUT" else None)
    status, answer = await ask(http, method, f"{url}{path}", await add_user("data:admin"), body)

    assert (status, answer["type"]) == (403, "urn:nexus:problem:insufficient-scope")
