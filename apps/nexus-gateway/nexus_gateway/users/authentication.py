"""Who may sign in."""

from collections.abc import Callable
from uuid import UUID

from cachetools import LRUCache

from nexus_chassis.tokens import Principal
from nexus_chassis.unit_of_work import Database
from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.auth.users import AuthenticatedUser
from nexus_gateway.users.models import Login, parse_user_id
from nexus_gateway.users.passwords import Passwords
from nexus_gateway.users.repository import UserRepository

_CACHED_TOKENS = 4096


class UserAuthentication:
    """Users as they sign in and stay signed in.

    `all_scopes` returns those of the role `admin`: every scope there is at that moment.
    """

    def __init__(
        self, database: Database, users: UserRepository, passwords: Passwords, all_scopes: Callable[[], frozenset[str]]
    ) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords
        self._all_scopes = all_scopes
        self._roles: LRUCache[str, list[str]] = LRUCache(_CACHED_TOKENS)

    async def authenticate(self, username: str, password: str, *, is_known: bool = False) -> AuthenticatedUser | None:
        """The user with this name and password, who is not disabled; raises PasswordQueueFullError.

        `is_known`: they have signed in from the same address before, so that they need not wait for strangers.
        An unknown name, a user without a password and a disabled one take as long to refuse as a wrong password.
        """
        self._passwords.require_room(is_known=is_known)
        async with self._database.read() as connection:
            login = await self._users.login_by_username(connection, username)
        password_hash = login.password_hash if login else None
        matches = await self._passwords.matches(password, password_hash, is_known=is_known)
        if login is None or password_hash is None or not matches or login.disabled:
            return None
        if self._passwords.is_outdated(password_hash):
            await self._rehash(login.id, password_hash, password)
        return self._authenticated(login)

    async def load_user(self, user_id: str) -> AuthenticatedUser | None:
        """The user as they are now; None for one that is disabled or no longer there."""
        login = await self._login(user_id)
        return None if login is None or login.disabled else self._authenticated(login)

    async def roles_of(self, principal: Principal) -> list[str]:
        """The roles of the user who signed in for the principal's token; none where nobody did.

        They are read once for each token: its user's tokens end when other roles are set.
        """
        if principal.session is None:
            return []
        if (roles := self._roles.get(principal.token_id)) is None:
            login = await self._login(principal.subject)
            roles = self._roles[principal.token_id] = [] if login is None else login.roles
        return roles

    async def _login(self, user_id: str) -> Login | None:
        if (parsed := parse_user_id(user_id)) is None:
            return None
        async with self._database.read() as connection:
            return await self._users.login_by_id(connection, parsed)

    def _authenticated(self, login: Login) -> AuthenticatedUser:
        scopes = self._all_scopes() if ADMIN in login.roles else login.scopes
        return AuthenticatedUser(login.id, login.username, login.tenant, scopes, login.version)

    async def _rehash(self, user: UUID, former: str, password: str) -> None:
        password_hash = await self._passwords.hash(password)
        async with self._database.unit_of_work() as unit:
            await self._users.replace_hash(unit.connection, user, former, password_hash)
