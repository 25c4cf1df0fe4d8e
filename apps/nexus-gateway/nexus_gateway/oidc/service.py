"""Signing in by a provider: from the login page to the provider, and back into a session."""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, Protocol
from uuid import UUID

from nexus_chassis.unit_of_work import Database, UnitOfWork
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.administration import Requester
from nexus_gateway.oidc.errors import ExternalLoginError, ProviderUnavailableError, UnknownProviderError
from nexus_gateway.oidc.models import Answer, Choice, Identity, PendingLogin
from nexus_gateway.oidc.pending import PendingLogins
from nexus_gateway.oidc.providers import Provider
from nexus_gateway.oidc.remote import RemoteProvider
from nexus_gateway.oidc.repository import IdentityRepository

_MAX_TEXT = 200
_NAME = re.compile(r"[^a-z0-9._@-]+")
_NAME_LENGTH = 50
_log = logging.getLogger(__name__)


class Session(Protocol):
    """A session of a user."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def expires(self) -> int:
        """When it ends by itself, in seconds since 1970."""


class Begun(Protocol):
    """A session that has begun."""

    @property
    def session(self) -> Session:
        """The session."""


class User(Protocol):
    """A user of a tenant."""

    @property
    def id(self) -> UUID:
        """The subject of their tokens."""

    @property
    def username(self) -> str:
        """Their name."""


class Users(Protocol):
    """Users, in a transaction."""

    async def with_email(self, unit: UnitOfWork, tenant: str, email: str) -> User | None:
        """The one user with that e-mail address."""

    async def with_username(self, unit: UnitOfWork, tenant: str, username: str) -> User | None:
        """The user of that name."""

    async def create(
        self, unit: UnitOfWork, tenant: str, username: str, roles: frozenset[str], email: str | None
    ) -> User | None:
        """A new user; None where the name is taken."""


type BeginSession = Callable[[str, str, str], Awaitable[Begun | None]]
"""Begins a session of the user with that id, at an address and by an agent; None for a user who may not sign in."""


class Entered(NamedTuple):
    """A login that has succeeded, and the path to go on to."""

    session: Session
    next: str


class ExternalLogins:
    """Logins by the providers. Raises UnknownProviderError, and DatabaseUnavailableError and RedisUnavailableError."""

    def __init__(
        self,
        providers: Iterable[RemoteProvider],
        database: Database,
        pending: PendingLogins,
        audit: AuditWriter,
        *,
        users: Users,
        begin_session: BeginSession,
    ) -> None:
        self._providers = {remote.provider.name: remote for remote in providers}
        self._database = database
        self._pending = pending
        self._audit = audit
        self._changes = ChangeLog(audit)
        self._identities = IdentityRepository()
        self._users = users
        self._begin_session = begin_session

    @property
    def choices(self) -> list[Choice]:
        """The providers, as the login page offers them."""
        providers = (remote.provider for remote in self._providers.values())
        return [Choice(provider.label, f"/login/oidc/{provider.name}") for provider in providers]

    async def begin(self, name: str, target: str, browser: str) -> str:
        """Where the browser goes to sign in; `target` is where it goes afterwards, `browser` a secret of its own.

        Raises ExternalLoginError.
        """
        remote = self._remote(name)
        state, nonce, code_verifier = (secrets.token_urlsafe(size) for size in (32, 32, 48))
        login = PendingLogin(name, remote.provider.issuer, nonce, code_verifier, target)
        try:
            url = await remote.authorization_url(state, login)
        except ProviderUnavailableError as error:
            raise _away(error) from None
        await self._pending.add(state, login, browser)
        return url

    async def finish(self, name: str, answer: Answer, browser: str, address: str, agent: str) -> Entered:
        """The session of whoever the provider has signed in; raises ExternalLoginError, which is audited."""
        remote = self._remote(name)
        try:
            return await self._finish(remote, answer, browser, address, agent)
        except ProviderUnavailableError as error:
            failure = _away(error)
        except ExternalLoginError as error:
            failure = error
        self._audit.record_repeated(_refused(remote.provider, failure, address))
        raise failure

    def _remote(self, name: str) -> RemoteProvider:
        try:
            return self._providers[name]
        except KeyError:
            raise UnknownProviderError(name) from None

    async def _finish(self, remote: RemoteProvider, answer: Answer, browser: str, address: str, agent: str) -> Entered:
        login = await self._pending.take(answer.state, browser)
        if login is None or login.provider != remote.provider.name or login.issuer != remote.provider.issuer:
            raise ExternalLoginError("no-login", "This sign-in has expired or was used already. Start it again.")
        await _require_issuer(remote, answer)
        if answer.error or not answer.code:
            raise ExternalLoginError("provider-refused", _refusal(remote.provider, answer))
        signed_in = await remote.sign_in(answer.code, login)
        identity = Identity(login.issuer, signed_in.claims["sub"], signed_in.claims)
        user = await self._linked(remote.provider, identity)
        if user is None:
            identity = Identity(login.issuer, identity.subject, await remote.more_claims(signed_in))
            user = await self._link(remote.provider, identity, address)
        if (begun := await self._begin_session(str(user), address, agent)) is None:
            raise ExternalLoginError("disabled", "This account is disabled. Ask an administrator.")
        return Entered(begun.session, login.next)

    async def _linked(self, provider: Provider, identity: Identity) -> UUID | None:
        async with self._database.read() as connection:
            return await self._identities.find(connection, provider.tenant, identity.issuer, identity.subject)

    async def _link(self, provider: Provider, identity: Identity, address: str) -> UUID:
        """The user that the identity is from now on; raises ExternalLoginError."""
        who = provider.tenant, identity.issuer, identity.subject
        async with self._database.unit_of_work() as unit:
            await self._identities.lock(unit.connection, *who)
            if (linked := await self._identities.find(unit.connection, *who)) is not None:
                return linked  # by a login at the same time
            user, is_new = await self._find_or_create(unit, provider, identity)
            if not await self._identities.link(unit.connection, user.id, *who):
                text = f"Your account here belongs to somebody else at {provider.label}. Ask an administrator."
                raise ExternalLoginError("linked-otherwise", text)
            await self._record(unit, provider, identity, user, address, is_new=is_new)
        return user.id

    async def _find_or_create(self, unit: UnitOfWork, provider: Provider, identity: Identity) -> tuple[User, bool]:
        if (user := await self._find(unit, provider, identity)) is not None:
            return user, False
        if not provider.create_users:
            text = f"{provider.label} has signed you in, but you have no account here. Ask an administrator."
            raise ExternalLoginError("unknown-user", text)
        for username in _usernames(provider, identity):
            user = await self._users.create(unit, provider.tenant, username, provider.roles, identity.verified_email)
            if user is not None:
                return user, True
        raise ExternalLoginError("name-taken", "No user name is left for you here. Ask an administrator.")

    async def _find(self, unit: UnitOfWork, provider: Provider, identity: Identity) -> User | None:
        if provider.link_by_claim and (username := identity.text(provider.link_by_claim)):
            return await self._users.with_username(unit, provider.tenant, username)
        if provider.link_by_email and (email := identity.verified_email):
            return await self._users.with_email(unit, provider.tenant, email)
        return None

    async def _record(
        self, unit: UnitOfWork, provider: Provider, identity: Identity, user: User, address: str, *, is_new: bool
    ) -> None:
        subject = str(user.id)
        who = Requester(subject=subject, client_id=_client(provider), tenant=provider.tenant, address=address)
        if is_new:
            detail = {"username": user.username, "tenant": provider.tenant, "roles": " ".join(sorted(provider.roles))}
            await self._changes.record(unit, who, "user.create", subject, **detail)
        detail = {"issuer": identity.issuer, "subject": identity.subject}
        await self._changes.record(unit, who, "oidc.link", subject, **detail)


async def _require_issuer(remote: RemoteProvider, answer: Answer) -> None:
    """Refuse an answer of another provider, which wants the code for itself (RFC 9207)."""
    if answer.iss is None and not await remote.names_itself():
        return
    if answer.iss is None or not hmac.compare_digest(answer.iss.encode(), remote.provider.issuer.encode()):
        text = "The answer is not from the provider that was asked. Start the sign-in again."
        raise ExternalLoginError("other-issuer", text)


def _refusal(provider: Provider, answer: Answer) -> str:
    """What the provider says, as plain text: it is read only where the login was begun by the same browser."""
    said = answer.error_description or answer.error or "it sent no code"
    shown = "".join(character for character in said if character.isprintable())[:_MAX_TEXT]
    return f"{provider.label} did not sign you in: {shown.rstrip('.')}."


def _away(error: ProviderUnavailableError) -> ExternalLoginError:
    _log.warning("external login failed: %s", error)
    return ExternalLoginError("provider-away", f"{error.label} cannot be reached now. Try again later.")


def _usernames(provider: Provider, identity: Identity) -> list[str]:
    """Names for a new user: one like that at the provider, and one that nobody else can have."""
    email = identity.verified_email or ""
    wanted = identity.text("preferred_username") or email.partition("@")[0] or provider.name
    name = _NAME.sub("-", wanted.lower()).strip("._@-")[:_NAME_LENGTH] or provider.name
    digest = hashlib.sha256(f"{identity.issuer}\n{identity.subject}".encode()).hexdigest()
    return [name, f"{name}-{digest[:12]}"]


def _client(provider: Provider) -> str:
    return f"oidc:{provider.name}"


def _refused(provider: Provider, error: ExternalLoginError, address: str) -> AuditEvent:
    return AuditEvent(
        "session.refused",
        "refused",
        client_id=_client(provider),
        tenant=provider.tenant,
        target=f"provider:{provider.name}",
        address=address,
        detail={"reason": error.reason},
    )
