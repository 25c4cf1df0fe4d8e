"""Listing, changing and removing roles."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from itertools import batched
from uuid import UUID

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.auth.administration import Requester
from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.pagination import Slice, cut
from nexus_gateway.roles.errors import BuiltInRoleError, NoSuchRoleError, RoleInUseError, UnknownScopeError
from nexus_gateway.roles.models import Role
from nexus_gateway.roles.repository import RoleRepository

_AT_ONCE = 32  # of the connections to Redis

type RaiseEpoch = Callable[[str], Awaitable[None]]
"""Makes a user's tokens end; refreshed ones have what the user may do then."""


class RoleService:
    """The roles, which all tenants share.

    `all_scopes` returns those of `admin`, which is built in: every scope there is at that moment.
    """

    def __init__(
        self,
        database: Database,
        roles: RoleRepository,
        changes: ChangeLog,
        *,
        raise_epoch: RaiseEpoch,
        all_scopes: Callable[[], frozenset[str]],
    ) -> None:
        self._database = database
        self._roles = roles
        self._changes = changes
        self._raise_epoch = raise_epoch
        self._all_scopes = all_scopes

    async def page(self, after: str, limit: int) -> Slice[Role]:
        """The roles whose names come after `after`."""
        async with self._database.read() as connection:
            found = await self._roles.page(connection, after, limit + 1)
        roles = [replace(role, scopes=self._all_scopes()) if role.name == ADMIN else role for role in found]
        return cut(roles, limit, lambda role: role.name)

    async def put(self, requester: Requester, role: Role) -> bool:
        """Make a role, or change what it allows; returns whether it is new. Its users' tokens end.

        Raises PlatformOnlyError, BuiltInRoleError or UnknownScopeError.
        """
        self._require_changeable(requester, role.name)
        known = self._all_scopes() - {ADMIN}
        if unknown := role.scopes - known:
            raise UnknownScopeError(unknown, known)
        async with self._database.unit_of_work() as unit:
            created = await self._roles.put(unit.connection, role.name, role.scopes)
            users = await self._roles.users(unit.connection, role.name)
            await self._raise_epochs(users)
            scopes = " ".join(sorted(role.scopes))
            await self._changes.record(unit, requester, "role.put", role.name, scopes=scopes)
        await self._raise_epochs(users)  # again, for those who signed in before the change was committed
        return created

    async def remove(self, requester: Requester, name: str) -> None:
        """Remove a role that nobody has; raises PlatformOnlyError, BuiltInRoleError, NoSuchRoleError, RoleInUseError."""
        self._require_changeable(requester, name)
        async with self._database.unit_of_work() as unit:
            if not await self._roles.lock(unit.connection, name):
                raise NoSuchRoleError(name)
            if users := await self._roles.users(unit.connection, name):
                raise RoleInUseError(name, len(users))
            await self._roles.remove(unit.connection, name)
            await self._changes.record(unit, requester, "role.remove", name)

    @staticmethod
    def _require_changeable(requester: Requester, name: str) -> None:
        requester.require_platform()
        if name == ADMIN:
            raise BuiltInRoleError(name)

    async def _raise_epochs(self, users: Iterable[UUID]) -> None:
        for some in batched(users, _AT_ONCE, strict=False):
            await asyncio.gather(*(self._raise_epoch(str(user)) for user in some))
