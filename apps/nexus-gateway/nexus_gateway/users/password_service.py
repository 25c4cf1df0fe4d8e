"""Changing and resetting passwords."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.auth.administration import Requester
from nexus_gateway.users import reset_tokens
from nexus_gateway.users.errors import (
    InvalidResetTokenError,
    NoSuchUserError,
    WeakPasswordError,
    WrongPasswordError,
)
from nexus_gateway.users.models import Login, ResetLink, parse_user_id
from nexus_gateway.users.passwords import Passwords, require_acceptable
from nexus_gateway.users.repository import UserRepository
from nexus_gateway.users.reset_tokens import ResetTokens, fingerprint
from nexus_gateway.users.service import OfUser

type Attempt = Callable[[str, str, type[Exception]], AbstractAsyncContextManager[None]]
"""An attempt for a user name from an address, which fails by such an error; see `LoginLimiter.attempt`."""


class PasswordService:
    """Passwords of users. Where one is set, all sessions of the user end.

    `reset_url` is where the pages for a reset are; the token is appended to it.
    """

    def __init__(
        self,
        database: Database,
        users: UserRepository,
        passwords: Passwords,
        tokens: ResetTokens,
        changes: ChangeLog,
        *,
        end_all: OfUser,
        attempt: Attempt,
        reset_url: str,
    ) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords
        self._tokens = tokens
        self._changes = changes
        self._end_all = end_all
        self._attempt = attempt
        self._reset_url = reset_url

    async def change_password(self, user_id: str, current: str, new: str, *, address: str | None = None) -> None:
        """Change the own password.

        Raises WrongPasswordError, WeakPasswordError, NoSuchUserError for one that is disabled or removed, and, as
        signing in does, TooManyAttemptsError and PasswordQueueFullError.
        """
        login = await self._login(user_id)
        if login is None or login.disabled:
            raise NoSuchUserError(user_id)
        require_acceptable(new, login.username)
        if new == current:
            raise WeakPasswordError("It is the current password. Use another one.")
        async with self._attempt(login.username, f"password of {user_id}", WrongPasswordError):
            if not await self._passwords.matches(current, login.password_hash):
                raise WrongPasswordError
        requester = Requester(subject=user_id, tenant=login.tenant, address=address)
        if not await self._set(login, new, requester, "password.change"):
            raise WrongPasswordError

    async def set_password(self, requester: Requester, user_id: str, new: str) -> None:
        """Set a user's password; raises NoSuchUserError, WeakPasswordError or PasswordQueueFullError."""
        login = await self._administered(requester, user_id)
        require_acceptable(new, login.username)
        if not await self._set(login, new, requester, "password.reset"):
            raise NoSuchUserError(user_id)

    async def create_reset_link(self, requester: Requester, user_id: str) -> ResetLink:
        """An address at which the user can set a new password, once; raises NoSuchUserError.

        It is valid for an hour, and until the password is set by whatever means.
        """
        login = await self._administered(requester, user_id)
        async with self._database.unit_of_work() as unit:
            token = await self._tokens.create(user_id, login.password_hash)
            await self._changes.record(unit, requester, "password.link", user_id, username=login.username)
        return ResetLink(f"{self._reset_url}{token}", int(time.time()) + reset_tokens.SECONDS)

    async def reset_password(self, token: str, new: str, *, address: str | None = None) -> None:
        """Set the password of the user whom the token was made for.

        Raises InvalidResetTokenError, WeakPasswordError, after which the token can be used still, or
        PasswordQueueFullError.
        """
        reset = await self._tokens.find(token)
        login = None if reset is None else await self._login(reset.user)
        if reset is None or login is None or reset.former != fingerprint(login.password_hash):
            raise InvalidResetTokenError
        require_acceptable(new, login.username)
        requester = Requester(tenant=login.tenant, address=address)
        if not await self._set(login, new, requester, "password.reset"):
            raise InvalidResetTokenError
        await self._tokens.remove(token)

    async def _administered(self, requester: Requester, user_id: str) -> Login:
        login = await self._login(user_id)
        if login is None or requester.administered_tenant not in {None, login.tenant}:
            raise NoSuchUserError(user_id)
        return login

    async def _login(self, user_id: str) -> Login | None:
        if (parsed := parse_user_id(user_id)) is None:
            return None
        async with self._database.read() as connection:
            return await self._users.login_by_id(connection, parsed)

    async def _set(self, login: Login, new: str, requester: Requester, action: str) -> bool:
        """Set the password and end the user's sessions; returns False where it was set by somebody else meanwhile."""
        password_hash, user_id = await self._passwords.hash(new), str(login.id)
        async with self._database.unit_of_work() as unit:
            if not await self._users.set_password(unit.connection, login.id, login.password_hash, password_hash):
                return False
            await self._end_all(user_id)  # before the change is committed, so that there is none without it
            await self._changes.record(unit, requester, action, user_id, username=login.username)
        await self._end_all(user_id)  # those who signed in with the former password meanwhile
        return True
