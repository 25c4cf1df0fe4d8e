"""External login, put together."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Protocol

from redis.asyncio import Redis

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.scopes import FIRST_PARTY
from nexus_gateway.auth.users import AuthenticatedUser, LoadUser
from nexus_gateway.oidc.http import create_session
from nexus_gateway.oidc.pending import PendingLogins
from nexus_gateway.oidc.providers import Provider
from nexus_gateway.oidc.remote import RemoteProvider
from nexus_gateway.oidc.service import BeginSession, Begun, ExternalLogins, Users


class BeginSessionOf(Protocol):
    """Begins a session of a user who was authenticated; raises SessionEndedError for one disabled meanwhile."""

    async def __call__(
        self, user: AuthenticatedUser, *, client_id: str, scopes: frozenset[str] | None, address: str, agent: str
    ) -> Begun:
        """The session."""


async def open_external_logins(
    stack: AsyncExitStack,
    providers: Iterable[Provider],
    issuer: str,
    *,
    database: Database,
    redis: Redis,
    audit: AuditWriter,
    users: Users,
    load_user: LoadUser,
    begin_session: BeginSessionOf,
) -> ExternalLogins:
    """Logins by the providers; `stack` closes what is opened."""
    remotes = []
    for provider in providers:
        session = await stack.enter_async_context(create_session(provider.ca_file))
        remotes.append(RemoteProvider(provider, session, f"{issuer}/login/oidc/{provider.name}/callback"))
    return ExternalLogins(
        remotes,
        database,
        PendingLogins(redis),
        audit,
        users=users,
        begin_session=_sessions_of_users(load_user, begin_session),
    )


def _sessions_of_users(load_user: LoadUser, begin_session: BeginSessionOf) -> BeginSession:
    async def begin(user_id: str, address: str, agent: str) -> Begun | None:
        if (user := await load_user(user_id)) is None:
            return None
        try:
            return await begin_session(user, client_id=FIRST_PARTY, scopes=None, address=address, agent=agent)
        except SessionEndedError:
            return None

    return begin
