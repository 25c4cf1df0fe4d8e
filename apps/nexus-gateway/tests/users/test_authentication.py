"""Users as the gateway itself asks for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from conftest import PASSWORD

from nexus_gateway.app import create_app
from nexus_gateway.auth.administration import OPERATOR
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.users import AuthenticatedUser
from nexus_gateway.context import Context
from nexus_gateway.users.models import NewUser, UserChange
from nexus_testkit import serving


@asynccontextmanager
async def context_of_gateway() -> AsyncIterator[Context]:
    """What a gateway holds, with settings from the environment as it is now."""
    app = create_app()
    async with serving(app):
        yield app.state.context


@pytest_asyncio.fixture
async def context(environment: pytest.MonkeyPatch) -> AsyncIterator[Context]:
    assert environment
    async with context_of_gateway() as context:
        yield context


@pytest_asyncio.fixture
async def alice(context: Context) -> str:
    new = NewUser(username="alice", roles=frozenset({"viewer", "editor"}), password=PASSWORD)
    return str((await context.administration.users.create(OPERATOR, new)).id)


async def test_a_user_is_loaded_as_they_signed_in(context: Context, alice: str) -> None:
    scopes = frozenset({"classify", "data:read", "data:write", "tools:call"})
    expected = AuthenticatedUser(UUID(alice), "alice", "default", scopes, 1)

    assert await context.logins.authenticate("alice", PASSWORD) == expected
    assert await context.logins.load_user(alice) == expected


async def test_each_change_of_a_user_has_another_version(context: Context, alice: str) -> None:
    versions = []
    for change in (UserChange(roles=frozenset({"viewer"})), UserChange(email="a@example.com")):
        await context.administration.users.update(OPERATOR, alice, change)
        versions.append(await context.logins.load_user(alice))
    await context.administration.passwords.set_password(OPERATOR, alice, "another battery staple")
    versions.append(await context.logins.load_user(alice))

    assert [(user.version, sorted(user.scopes)) for user in versions if user] == [
        (2, ["data:read"]),
        (3, ["data:read"]),
        (4, ["data:read"]),
    ]


@pytest.mark.parametrize("change", ["the password", "the roles"])
async def test_no_session_begins_for_a_user_who_was_changed_since_the_password_was_checked(
    context: Context, alice: str, change: str
) -> None:
    user = await context.logins.authenticate("alice", PASSWORD)
    if change == "the password":
        await context.administration.passwords.set_password(OPERATOR, alice, "another battery staple")
    else:
        await context.administration.users.update(OPERATOR, alice, UserChange(roles=frozenset({"viewer"})))

    assert user
    with pytest.raises(SessionEndedError):
        await context.sessions.begin(user, client_id="tests", scopes=None, address="192.0.2.1", agent="")
    assert await context.sessions.of_user(alice) == []


async def test_who_is_disabled_removed_or_no_user_is_not_loaded(context: Context, alice: str) -> None:
    await context.administration.users.update(OPERATOR, alice, UserChange(disabled=True))
    disabled = await context.logins.load_user(alice)
    await context.administration.users.remove(OPERATOR, alice)

    assert [disabled, await context.logins.load_user(alice), await context.logins.load_user("mcp-server")] == [None] * 3


async def test_every_refusal_costs_one_hash_of_the_same_parameters(
    context: Context, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await context.administration.users.update(OPERATOR, alice, UserChange(disabled=True))
    await context.administration.users.create(OPERATOR, NewUser(username="bob"))
    parameters: list[str] = []
    verify = PasswordHasher.verify

    def spy(self: PasswordHasher, password_hash: str, password: str) -> bool:
        parameters.append(password_hash.rsplit("$", 2)[0])
        return verify(self, password_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", spy)
    attempts = [("alice", PASSWORD), ("admin", "wrong"), ("bob", PASSWORD), ("nobody", PASSWORD)]
    users = [await context.logins.authenticate(name, password) for name, password in attempts]

    assert (users, parameters) == ([None] * 4, ["$argon2id$v=19$m=7168,t=1,p=1"] * 4)


async def test_a_password_is_hashed_anew_with_changed_settings(
    environment: pytest.MonkeyPatch, postgres_url: str
) -> None:
    async with context_of_gateway():
        pass
    environment.setenv("NEXUS_PASSWORD_TIME_COST", "3")
    environment.setenv("NEXUS_PASSWORD_MEMORY_KIB", "8192")
    async with context_of_gateway() as context:
        users = [await context.logins.authenticate("admin", PASSWORD) for _ in range(2)]
    connection = await asyncpg.connect(postgres_url)
    password_hash = await connection.fetchval("SELECT password_hash FROM users")
    await connection.close()

    assert users[0] == users[1]
    assert users[0] is not None
    assert password_hash.startswith("$argon2id$v=19$m=8192,t=3,p=1$")
