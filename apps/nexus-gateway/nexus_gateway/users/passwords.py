"""Passwords: Argon2id (RFC 9106) with the parameters of the OWASP Password Storage Cheat Sheet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from nexus_gateway.users.errors import PasswordQueueFullError

_MAX_RUNNING = 2  # each takes 19 MiB and a core for about 20 ms
MAX_WAITING = 16
"""Passwords that may wait for their turn: the last of them waits about 0.2 s."""

_RETRY_SECONDS = 1
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


class Passwords:
    """Hashes and checks passwords, few at a time; raises PasswordQueueFullError instead of letting many wait."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_MAX_RUNNING)
        self._present = 0

    async def hash(self, password: str) -> str:
        """A salted hash, in the PHC string format."""
        async with self._turn():
            return await asyncio.to_thread(_hasher.hash, password)

    async def matches(self, password: str, password_hash: str) -> bool:
        """Whether `password` is the one that was hashed."""
        async with self._turn():
            return await asyncio.to_thread(_verify, password, password_hash)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._present >= _MAX_RUNNING + MAX_WAITING:
            raise PasswordQueueFullError(_RETRY_SECONDS)
        self._present += 1
        try:
            async with self._turns:
                yield
        finally:
            self._present -= 1


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than those of today."""
    return _hasher.check_needs_rehash(password_hash)
