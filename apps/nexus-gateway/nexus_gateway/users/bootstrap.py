"""The administrator that the gateway starts with."""

import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from nexus_chassis.unit_of_work import Database, UnitOfWork
from nexus_gateway.auth.administration import DEFAULT_TENANT
from nexus_gateway.users.passwords import Passwords
from nexus_gateway.users.repository import UserRepository

ADMIN_USERNAME = "admin"
_log = logging.getLogger(__name__)

type EndAll = Callable[[str], Awaitable[object]]
"""Ends all sessions of a user."""


class Bootstrap:
    """The user `admin`, with the role `admin`."""

    def __init__(self, users: UserRepository, passwords: Passwords, end_all: EndAll) -> None:
        self._users = users
        self._passwords = passwords
        self._end_all = end_all

    async def ensure_admin(self, database: Database, password: str) -> None:
        """Make the user `admin` if the gateway has no administrator.

        One that the gateway made keeps what it has, whoever set it, but for one thing: when the secret file was
        changed, its password is set, and the sessions that began with the former one end.
        """
        async with database.unit_of_work() as unit:
            await self._users.lock_administrators(unit.connection)
            found = await self._users.bootstrap_password(unit.connection, ADMIN_USERNAME)
            if found is None:
                await self._create(unit, password)
            elif not await self._passwords.matches(password, found[1]):
                await self._set_password(unit, found[0], password)

    async def _create(self, unit: UnitOfWork, password: str) -> None:
        if await self._users.has_administrator(unit.connection, DEFAULT_TENANT):
            return
        password_hash = await self._passwords.hash(password)
        if await self._users.create_bootstrap(unit.connection, ADMIN_USERNAME, DEFAULT_TENANT, password_hash):
            _log.info("the user %s was created", ADMIN_USERNAME)
        else:
            _log.warning("the gateway has no administrator, and %s is another user: enable or add one", ADMIN_USERNAME)

    async def _set_password(self, unit: UnitOfWork, user: UUID, password: str) -> None:
        password_hash = await self._passwords.hash(password)
        await self._users.set_bootstrap_password(unit.connection, user, password_hash)
        await self._end_all(str(user))
        _log.info("the user %s has the password of its changed secret file", ADMIN_USERNAME)
