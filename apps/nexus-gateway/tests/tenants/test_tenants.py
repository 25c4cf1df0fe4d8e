import aiohttp
import asyncpg
import pytest
from conftest import AddUser, ask, problem

ACME = {"id": "acme", "name": "Acme Ltd."}
PLATFORM_ONLY = problem(
    403,
    "platform-only",
    "This concerns all tenants",
    "Only administrators of the tenant default may do this. Ask one of them.",
)


@pytest.fixture
def url(gateway: str) -> str:
    return f"{gateway}/v1/tenants"


async def test_a_tenant_that_was_created_is_listed(
    url: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    status, created = await ask(http, "POST", url, admin, ACME)
    _, page = await ask(http, "GET", url, admin)

    assert (status, created) == (201, ACME | {"created_at": created["created_at"]})
    default = {"id": "default", "name": "Default", "created_at": page["items"][1]["created_at"]}
    assert page == {"items": [created, default], "next": None}


async def test_tenants_come_in_pages(url: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    for name in ("c", "a", "b"):
        await ask(http, "POST", url, admin, {"id": name, "name": name.upper()})
    pages, after = [], ""
    while after is not None:
        _, page = await ask(http, "GET", f"{url}?limit=2&after={after}", admin)
        pages.append([tenant["id"] for tenant in page["items"]])
        after = page["next"]

    assert pages == [["a", "b"], ["c", "default"]]


async def test_an_id_is_taken_once(url: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    await ask(http, "POST", url, admin, ACME)

    assert await ask(http, "POST", url, admin, ACME | {"name": "Another"}) == problem(
        409, "tenant-exists", "The id is taken", "There is a tenant acme. Choose another id."
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (ACME | {"id": "Acme"}, "/body/id"),
        (ACME | {"id": "acme\n"}, "/body/id"),
        (ACME | {"id": "-"}, "/body/id"),
        (ACME | {"id": "a" * 64}, "/body/id"),
        (ACME | {"name": ""}, "/body/name"),
        (ACME | {"name": "a\x00b"}, "/body/name"),
        (ACME | {"name": "a" * 201}, "/body/name"),
    ],
)
async def test_what_is_no_tenant_is_refused(
    url: str, http: aiohttp.ClientSession, admin: dict[str, str], body: dict[str, str], pointer: str
) -> None:
    status, answer = await ask(http, "POST", url, admin, body)

    assert (status, [fault["pointer"] for fault in answer["errors"]]) == (422, [pointer])


async def test_administrators_of_a_tenant_see_that_one_and_create_none(
    url: str, http: aiohttp.ClientSession, database: asyncpg.Connection, add_user: AddUser
) -> None:
    await database.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme Ltd.'), ('other', 'Other')")
    headers = await add_user("admin", tenant="acme")
    status, page = await ask(http, "GET", url, headers)

    assert (status, [tenant["id"] for tenant in page["items"]], page["next"]) == (200, ["acme"], None)
    assert await ask(http, "POST", url, headers, {"id": "mine", "name": "Mine"}) == PLATFORM_ONLY


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_tenants_are_for_administrators(
    url: str, http: aiohttp.ClientSession, add_user: AddUser, method: str
) -> None:
    headers = await add_user("data:admin")

    assert await ask(http, method, url, headers, ACME if method == "POST" else None) == problem(
        403,
        "insufficient-scope",
        "The access token does not allow this",
        "The access token lacks the scope admin. Ask for a token that has it.",
        missing_scopes=["admin"],
    )
