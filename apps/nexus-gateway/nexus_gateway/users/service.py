"""Users as administrators see and change them."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

import asyncpg

from nexus_chassis.unit_of_work import Database, UnitOfWork
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.auth.administration import DEFAULT_TENANT, Requester
from nexus_gateway.pagination import Slice, cut
from nexus_gateway.users.errors import (
    ChangedMeanwhileError,
    LastAdministratorError,
    NoSuchUserError,
    UnknownRoleError,
    UnknownTenantError,
    UsernameTakenError,
)
from nexus_gateway.users.models import NewUser, User, UserChange, parse_user_id
from nexus_gateway.users.passwords import Passwords, require_acceptable
from nexus_gateway.users.repository import UserRepository

type OfUser = Callable[[str], Awaitable[None]]
"""Does something to all sessions of the user with that id; raises RedisUnavailableError."""

type Versions = Collection[int] | None
"""The versions of a user that a change is meant for; None for any."""


class UserService:
    """The users that a requester administers: those of every tenant, or of one. Others are as if they did not exist.

    `end_all` ends a user's sessions; `raise_epoch` ends their access tokens, of which refreshed ones have what the user
    may do then. Each is called before the change is committed, so that there is no change without it, and again
    afterwards, for those who signed in meanwhile.
    """

    def __init__(
        self,
        database: Database,
        users: UserRepository,
        passwords: Passwords,
        changes: ChangeLog,
        *,
        end_all: OfUser,
        raise_epoch: OfUser,
    ) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords
        self._changes = changes
        self._end_all = end_all
        self._raise_epoch = raise_epoch

    async def page(self, requester: Requester, after: str, limit: int) -> Slice[User]:
        """The users whose names come after `after`."""
        async with self._database.read() as connection:
            found = await self._users.page(connection, after, limit + 1, tenant=requester.administered_tenant)
        return cut(found, limit, lambda user: user.username)

    async def get(self, requester: Requester, user_id: str) -> User:
        """The user with that id; raises NoSuchUserError."""
        if (parsed := parse_user_id(user_id)) is None:
            raise NoSuchUserError(user_id)
        async with self._database.read() as connection:
            user = await self._users.by_id(connection, parsed, tenant=requester.administered_tenant)
        if user is None:
            raise NoSuchUserError(user_id)
        return user

    async def find(self, username: str) -> User:
        """The user of that name, whatever their tenant; raises NoSuchUserError."""
        async with self._database.read() as connection:
            user = await self._users.by_username(connection, username)
        if user is None:
            raise NoSuchUserError(username)
        return user

    async def create(self, requester: Requester, new: NewUser) -> User:
        """A new user.

        Raises PlatformOnlyError for a tenant that the requester doesn't administer, UnknownTenantError, UnknownRoleError,
        UsernameTakenError, WeakPasswordError or PasswordQueueFullError.
        """
        tenant = new.tenant or requester.tenant or DEFAULT_TENANT
        if tenant != requester.tenant:
            requester.require_platform()
        password_hash = await self._hash(new)
        async with self._database.unit_of_work() as unit:
            await self._require_roles(unit, new.roles)
            user = await self._insert(unit, new, tenant, password_hash)
            detail = {"username": user.username, "tenant": tenant, "roles": " ".join(user.roles)}
            await self._changes.record(unit, requester, "user.create", str(user.id), **detail)
        return user

    async def _hash(self, new: NewUser) -> str | None:
        if new.password is None:
            return None
        require_acceptable(new.password, new.username)
        return await self._passwords.hash(new.password)

    async def _insert(self, unit: UnitOfWork, new: NewUser, tenant: str, password_hash: str | None) -> User:
        try:
            user = await self._users.create(unit.connection, new, tenant, password_hash)
        except asyncpg.ForeignKeyViolationError:
            raise UnknownTenantError(tenant) from None
        if user is None:
            raise UsernameTakenError(new.username)
        return user

    async def update(self, requester: Requester, user_id: str, change: UserChange, versions: Versions = None) -> User:
        """The changed user; a disabled one's sessions end, and with other roles their access tokens.

        Raises NoSuchUserError, ChangedMeanwhileError, UnknownRoleError or LastAdministratorError.
        """
        async with self._database.unit_of_work() as unit:
            found = await self._lock(unit, requester, user_id, versions)
            if change.roles is not None:
                await self._require_roles(unit, change.roles)
            user = await self._update(unit, _changed(found, change))
            await self._require_administrator(unit)
            await self._end(user, change)
            await self._changes.record(unit, requester, "user.update", user_id, **_detail(user, change))
        await self._end(user, change)
        return user

    async def _update(self, unit: UnitOfWork, user: User) -> User:
        await self._users.update(unit.connection, user)
        return await self._users.by_id(unit.connection, user.id) or user

    async def remove(self, requester: Requester, user_id: str, versions: Versions = None) -> None:
        """Remove a user and end their sessions.

        Raises NoSuchUserError, ChangedMeanwhileError or LastAdministratorError.
        """
        async with self._database.unit_of_work() as unit:
            user = await self._lock(unit, requester, user_id, versions)
            await self._users.remove(unit.connection, user.id)
            await self._require_administrator(unit)
            await self._end_all(user_id)
            detail = {"username": user.username, "tenant": user.tenant}
            await self._changes.record(unit, requester, "user.delete", user_id, **detail)
        await self._end_all(user_id)

    async def _lock(self, unit: UnitOfWork, requester: Requester, user_id: str, versions: Versions) -> User:
        """The user, of whom there is no other change until the transaction ends; nor is there of any administrator."""
        await self._users.lock_administrators(unit.connection)
        parsed = parse_user_id(user_id)
        tenant = requester.administered_tenant
        user = None if parsed is None else await self._users.lock(unit.connection, parsed, tenant=tenant)
        if user is None:
            raise NoSuchUserError(user_id)
        if versions is not None and user.version not in versions:
            raise ChangedMeanwhileError(user.version)
        return user

    async def _require_roles(self, unit: UnitOfWork, names: frozenset[str]) -> None:
        if missing := names - await self._users.lock_roles(unit.connection, names):
            raise UnknownRoleError(missing)

    async def _require_administrator(self, unit: UnitOfWork) -> None:
        """Raise LastAdministratorError where the transaction has taken away the last one; it is rolled back then."""
        if not await self._users.has_administrator(unit.connection, DEFAULT_TENANT):
            raise LastAdministratorError

    async def _end(self, user: User, change: UserChange) -> None:
        if change.disabled:
            await self._end_all(str(user.id))
        elif change.roles is not None:
            await self._raise_epoch(str(user.id))


def _changed(user: User, change: UserChange) -> User:
    return replace(
        user,
        roles=user.roles if change.roles is None else sorted(change.roles),
        email=user.email if change.email is None else change.email or None,
        disabled=user.disabled if change.disabled is None else change.disabled,
    )


def _detail(user: User, change: UserChange) -> dict[str, str]:
    """What was changed, without the e-mail address: the log keeps what it has for ever."""
    detail = {"username": user.username}
    if change.roles is not None:
        detail["roles"] = " ".join(user.roles)
    if change.disabled is not None:
        detail["disabled"] = str(user.disabled).lower()
    if change.email is not None:
        detail["email"] = "changed"
    return detail
