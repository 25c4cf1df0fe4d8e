"""Users whom somebody else signs in, in the transaction of whoever links them."""

import asyncpg

from nexus_chassis.unit_of_work import UnitOfWork
from nexus_gateway.users.errors import UnknownRoleError, UnknownTenantError
from nexus_gateway.users.models import NewUser, User
from nexus_gateway.users.repository import UserRepository


class ExternalUsers:
    """Finds users by what a provider says of them, and adds those who sign in only there."""

    def __init__(self, users: UserRepository) -> None:
        self._users = users

    async def with_email(self, unit: UnitOfWork, tenant: str, email: str) -> User | None:
        """The tenant's user with this e-mail address, upper and lower case alike; None where several have it."""
        found = await self._users.by_email(unit.connection, tenant, email)
        return found[0] if len(found) == 1 else None

    async def with_username(self, unit: UnitOfWork, tenant: str, username: str) -> User | None:
        """The tenant's user of that name."""
        user = await self._users.by_username(unit.connection, username)
        return user if user is not None and user.tenant == tenant else None

    async def create(
        self, unit: UnitOfWork, tenant: str, username: str, roles: frozenset[str], email: str | None
    ) -> User | None:
        """A new user without a password; None where the name is taken. Raises UnknownTenantError or UnknownRoleError."""
        if missing := roles - await self._users.lock_roles(unit.connection, roles):
            raise UnknownRoleError(missing)
        new = NewUser(username=username, tenant=tenant, roles=roles, email=email)
        try:
            return await self._users.create(unit.connection, new, tenant, None)
        except asyncpg.ForeignKeyViolationError:
            raise UnknownTenantError(tenant) from None
