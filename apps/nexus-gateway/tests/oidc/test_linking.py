"""Which user somebody is whom a provider has signed in."""

import asyncio
import json

import asyncpg
import pytest
from external_login import refusal, sign_in
from page_client import BrowserClient
from small_provider import Configure, SmallProvider

NO_ACCOUNT = "Small has signed you in, but you have no account here. Ask an administrator."
ALICE = {"email": "Alice@Example.com", "email_verified": True}


@pytest.fixture
def by_email(configure: Configure) -> None:
    configure(create_users=False, roles=[], link_by_email=True)


@pytest.fixture
def by_claim(configure: Configure) -> None:
    configure(create_users=False, roles=[], link_by_claim="login")


async def add(database: asyncpg.Connection, username: str, email: str | None = None, tenant: str = "default") -> str:
    await database.execute("INSERT INTO tenants (id, name) VALUES ($1, $1) ON CONFLICT DO NOTHING", tenant)
    query = "INSERT INTO users (username, email, tenant) VALUES ($1, $2, $3) RETURNING id::text"
    added: str = await database.fetchval(query, username, email, tenant)
    return added


async def signed_in_user(browser: BrowserClient) -> str:
    subject: str = json.loads((await browser.get("/v1/me")).text)["subject"]
    return subject


async def audited(database: asyncpg.Connection, action: str) -> tuple[object, ...]:
    """The one row of that action, which is written within a second."""
    query = "SELECT outcome, client_id, tenant, target, address, detail FROM audit_events WHERE action = $1"
    for _ in range(50):
        if rows := await database.fetch(query, action):
            break
        await asyncio.sleep(0.1)
    (row,) = rows
    return tuple(row)


@pytest.mark.usefixtures("by_email")
async def test_a_verified_address_is_enough_where_the_provider_is_trusted_with_it(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    alice = await add(database, "alice", "alice@example.com")
    provider.claims = ALICE
    assert (await sign_in(browser, provider)).status == 303
    assert await signed_in_user(browser) == alice

    browser.cookies.clear()
    provider.claims = {"email": "changed@example.com"}
    await sign_in(browser, provider)
    assert await signed_in_user(browser) == alice


UNVERIFIED: list[dict[str, object]] = [
    {"email": "alice@example.com"},
    {"email": "alice@example.com", "email_verified": False},
    {"email": "alice@example.com", "email_verified": "true"},
    {"email": "alice@example.com", "email_verified": 1},
    {"email": "alice@example.com\0", "email_verified": True},
    {"email": ["alice@example.com"], "email_verified": True},
    {"email": "bob@example.com", "email_verified": True},
    {},
]


@pytest.mark.usefixtures("by_email")
async def test_an_address_that_is_not_verified_is_not(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await add(database, "alice", "alice@example.com")
    pages = []
    for provider.claims in UNVERIFIED:
        pages.append(refusal(await sign_in(browser, provider)))

    assert pages == [(403, NO_ACCOUNT)] * len(UNVERIFIED)


@pytest.mark.usefixtures("by_email")
async def test_an_address_of_two_users_is_nobodys(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await add(database, "alice", "alice@example.com")
    await add(database, "alice2", "ALICE@example.com")
    provider.claims = ALICE

    assert refusal(await sign_in(browser, provider)) == (403, NO_ACCOUNT)


@pytest.mark.usefixtures("by_email")
async def test_an_address_of_another_tenants_user_is_nobodys(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await add(database, "alice", "alice@example.com", "acme")
    provider.claims = ALICE

    assert refusal(await sign_in(browser, provider)) == (403, NO_ACCOUNT)


@pytest.mark.usefixtures("by_email")
async def test_an_address_that_somebody_else_has_now_brings_them_into_no_account(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await add(database, "alice", "alice@example.com")
    provider.claims = ALICE
    await sign_in(browser, provider)
    browser.cookies.clear()
    provider.subject = "s-2"

    text = "Your account here belongs to somebody else at Small. Ask an administrator."
    assert refusal(await sign_in(browser, provider)) == (403, text)


async def test_an_address_is_nothing_where_the_provider_is_not_trusted_with_it(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    alice = await add(database, "alice", "alice@example.com")
    provider.claims = ALICE
    await sign_in(browser, provider)

    assert await signed_in_user(browser) != alice


@pytest.mark.usefixtures("by_claim")
async def test_a_claim_is_the_user_name_where_the_provider_is_trusted_with_it(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await add(database, "alice")
    await add(database, "bob", tenant="acme")
    statuses = {}
    for claim in ("Alice", "bob", "", ["alice"], "alice"):
        provider.claims = {"login": claim, **ALICE}
        statuses[str(claim)] = (await sign_in(browser, provider)).status

    assert statuses == {"Alice": 403, "bob": 403, "": 403, "['alice']": 403, "alice": 303}


@pytest.mark.usefixtures("by_email")
async def test_claims_may_come_from_the_userinfo_endpoint(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    alice = await add(database, "alice", "alice@example.com")
    provider.userinfo = ALICE
    await sign_in(browser, provider)

    assert await signed_in_user(browser) == alice


@pytest.mark.usefixtures("by_email")
async def test_claims_about_somebody_else_are_refused(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await add(database, "alice", "alice@example.com")
    provider.userinfo = {"sub": "s-2", **ALICE}

    assert refusal(await sign_in(browser, provider)) == (503, "Small cannot be reached now. Try again later.")


async def test_a_disabled_user_is_refused_and_it_is_audited(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await sign_in(browser, provider)
    browser.cookies.clear()
    await database.execute("UPDATE users SET disabled = true WHERE username = 'small'")

    assert refusal(await sign_in(browser, provider)) == (403, "This account is disabled. Ask an administrator.")
    row = await audited(database, "session.refused")
    assert row == ("refused", "oidc:small", "default", "provider:small", "127.0.0.1", '{"reason": "disabled"}')


@pytest.fixture
def of_acme(configure: Configure) -> None:
    configure(tenant="acme")


@pytest.mark.usefixtures("of_acme")
async def test_a_tenant_of_its_own_receives_the_users_of_its_provider(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await database.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme')")
    await sign_in(browser, provider)

    assert json.loads((await browser.get("/v1/me")).text)["tenant"] == "acme"


@pytest.mark.usefixtures("of_acme")
async def test_a_tenant_that_is_missing_is_named(browser: BrowserClient, provider: SmallProvider) -> None:
    page = await sign_in(browser, provider)

    assert (page.status, page.title) == (400, "There is no such tenant · Nexus")


async def test_a_removed_user_can_come_again(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await sign_in(browser, provider)
    first = await signed_in_user(browser)
    browser.cookies.clear()
    await database.execute("DELETE FROM users WHERE username = 'small'")
    await sign_in(browser, provider)

    assert await signed_in_user(browser) != first
