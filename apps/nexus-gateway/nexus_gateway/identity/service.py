"""Who may sign in."""

import logging
from uuid import UUID

from nexus_chassis.problems import Problem
from nexus_gateway.identity.passwords import hash_password, is_outdated, is_password
from nexus_gateway.identity.repository import User, UserRepository

ADMIN = "admin"
# Of a password nobody knows: an unknown name must take as long to refuse as a wrong password.
_UNKNOWN_USER_HASH = "$argon2id$v=19$m=19456,t=2,p=1$i2YAouAKYyFIfa33XBkz6w$Kz3UWoV/y5M0qnD2bl3YvW2GkauST+ay8Do6z6KsiNE"
_log = logging.getLogger(__name__)


class IdentityService:
    """Users and their passwords."""

    def __init__(self, users: UserRepository) -> None:
        self._users = users

    async def ensure_admin(self, password: str, scopes: frozenset[str]) -> None:
        """See that the user `admin` exists, has these scopes, and signs in with `password`."""
        admin = await self._users.by_username(ADMIN)
        if admin is not None and admin.scopes == scopes and await is_password(password, admin.password_hash):
            return
        await self._users.put(ADMIN, await hash_password(password), scopes)
        _log.info("the user %s was %s", ADMIN, "created" if admin is None else "given the password of its secret file")

    async def sign_in(self, username: str, password: str) -> User:
        """The user with this name and password; raises Problem 401 without telling which of both is wrong."""
        user = await self._users.by_username(username)
        matches = await is_password(password, user.password_hash if user else _UNKNOWN_USER_HASH)
        if user is None or not matches:
            raise Problem(
                401,
                "wrong-credentials",
                "Sign-in failed",
                "No user has this name and password. See that both are spelt right.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if is_outdated(user.password_hash):
            await self._users.replace_hash(user.id, await hash_password(password))
        return user

    async def username(self, subject: str) -> str | None:
        """Name of the user that a token's subject stands for; None for a subject that is no user."""
        try:
            user = await self._users.by_id(UUID(subject))
        except ValueError:
            return None
        return user.username if user else None
