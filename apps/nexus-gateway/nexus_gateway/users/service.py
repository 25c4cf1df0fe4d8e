"""Who may sign in."""

import logging

from nexus_chassis.unit_of_work import Database, UnitOfWork
from nexus_gateway.users.models import User
from nexus_gateway.users.passwords import Passwords, is_outdated
from nexus_gateway.users.repository import UserRepository

ADMIN_USERNAME = "admin"
# Of a password nobody knows: an unknown name must take as long to refuse as a wrong password.
_UNKNOWN_USER_HASH = "$argon2id$v=19$m=19456,t=2,p=1$i2YAouAKYyFIfa33XBkz6w$Kz3UWoV/y5M0qnD2bl3YvW2GkauST+ay8Do6z6KsiNE"
_log = logging.getLogger(__name__)


class UserService:
    """Users and their passwords."""

    def __init__(self, database: Database, users: UserRepository, passwords: Passwords) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords

    async def ensure_admin(self, password: str, scopes: frozenset[str]) -> None:
        """Make the user `admin` unless it exists.

        An existing one keeps the password and the scopes that it has, whoever set them, with two exceptions: it
        receives the password of the secret file when that file was changed, and scopes that are new to the gateway.
        """
        async with self._database.unit_of_work() as unit:
            bootstrap = await self._users.bootstrap(unit.connection, ADMIN_USERNAME)
            if bootstrap is None:
                password_hash = await self._passwords.hash(password)
                await self._users.create(unit.connection, ADMIN_USERNAME, password_hash, scopes)
                _log.info("the user %s was created", ADMIN_USERNAME)
                return
            if not await self._passwords.matches(password, bootstrap.password_hash):
                await self._set_password(unit, password)
            if new := scopes - bootstrap.scopes:
                await self._users.add_bootstrap_scopes(unit.connection, ADMIN_USERNAME, new)
                _log.info("the user %s has the new scopes %s", ADMIN_USERNAME, " ".join(sorted(new)))

    async def _set_password(self, unit: UnitOfWork, password: str) -> None:
        password_hash = await self._passwords.hash(password)
        await self._users.set_bootstrap_password(unit.connection, ADMIN_USERNAME, password_hash)
        _log.info("the user %s has the password of its changed secret file", ADMIN_USERNAME)

    async def authenticate(self, username: str, password: str) -> User | None:
        """The user with this name and password; raises PasswordQueueFullError."""
        async with self._database.read() as connection:
            user = await self._users.by_username(connection, username)
        matches = await self._passwords.matches(password, user.password_hash if user else _UNKNOWN_USER_HASH)
        if user is None or not matches:
            return None
        if is_outdated(user.password_hash):
            await self._rehash(user, password)
        return user

    async def _rehash(self, user: User, password: str) -> None:
        password_hash = await self._passwords.hash(password)
        async with self._database.unit_of_work() as unit:
            await self._users.replace_hash(unit.connection, user.id, password_hash)
