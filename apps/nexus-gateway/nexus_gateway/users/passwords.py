"""Passwords: Argon2id (RFC 9106); the settings' defaults are those of the OWASP Password Storage Cheat Sheet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from nexus_gateway.auth.errors import PasswordQueueFullError
from nexus_gateway.users.errors import WeakPasswordError

MIN_LENGTH = 12
"""Characters of a new password; older ones and that of the secret file may have fewer."""

MAX_LENGTH = 1024
_MAX_RUNNING = 2  # each takes 19 MiB and a core for about 20 ms
_MAX_RUNNING_KNOWN = 1
MAX_WAITING = 16
"""Passwords of strangers, and of known clients, that may wait for their turn: the last of them waits about 0.2 s."""

# The salt and hash of a password nobody knows.
_UNKNOWN = "i2YAouAKYyFIfa33XBkz6w$Kz3UWoV/y5M0qnD2bl3YvW2GkauST+ay8Do6z6KsiNE"


class Passwords:
    """Hashes and checks passwords, few at a time; raises PasswordQueueFullError instead of letting many wait.

    `memory_cost` is in KiB.
    """

    def __init__(self, *, time_cost: int, memory_cost: int, parallelism: int) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism)
        self._nobody = f"$argon2id$v=19$m={memory_cost},t={time_cost},p={parallelism}${_UNKNOWN}"
        self._strangers, self._known = _Queue(_MAX_RUNNING), _Queue(_MAX_RUNNING_KNOWN)

    async def hash(self, password: str) -> str:
        """A salted hash, in the PHC string format."""
        async with self._strangers.turn():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, password_hash: str | None, *, is_known: bool = False) -> bool:
        """Whether `password` is the one that was hashed; without a hash never, after as much work.

        Known clients have a queue of their own, which strangers cannot fill.
        """
        async with self._queue(is_known=is_known).turn():
            return await asyncio.to_thread(self._verify, password, password_hash or self._nobody)

    def has_room_for_strangers(self) -> bool:
        """Whether the password of one more could be checked soon."""
        return self._strangers.has_room()

    def require_room(self, *, is_known: bool) -> None:
        """Raise PasswordQueueFullError if `matches` would: sooner, so that what comes before it is saved."""
        self._queue(is_known=is_known).require_room()

    def _queue(self, *, is_known: bool) -> "_Queue":
        return self._known if is_known else self._strangers

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


class _Queue:
    """Lets `running` work at once and MAX_WAITING wait."""

    def __init__(self, running: int) -> None:
        self._turns = asyncio.Semaphore(running)
        self._running = running
        self._present = 0

    def has_room(self) -> bool:
        return self._present < self._running + MAX_WAITING

    def require_room(self) -> None:
        if not self.has_room():
            raise PasswordQueueFullError

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        self.require_room()
        self._present += 1
        try:
            async with self._turns:
                yield
        finally:
            self._present -= 1


def require_acceptable(password: str, username: str) -> None:
    """Raise WeakPasswordError unless the user may have this new password."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise WeakPasswordError(f"It has {len(password)} characters. Use {MIN_LENGTH} to {MAX_LENGTH}.")
    if len(set(password)) == 1:
        raise WeakPasswordError("It is one character, repeated. Use another one.")
    if password.casefold() == username.casefold():
        raise WeakPasswordError("It is the user name. Use another one.")
