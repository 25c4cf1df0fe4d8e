"""Passwords: Argon2id (RFC 9106) with the parameters of the OWASP Password Storage Cheat Sheet."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_AT_ONCE = 2  # each takes 19 MiB and a core

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_turns = asyncio.Semaphore(_AT_ONCE)


async def hash_password(password: str) -> str:
    """A salted hash, in the PHC string format."""
    async with _turns:
        return await asyncio.to_thread(_hasher.hash, password)


async def is_password(password: str, password_hash: str) -> bool:
    """Whether `password` is the one that was hashed."""
    async with _turns:
        return await asyncio.to_thread(_verify, password, password_hash)


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than those of today."""
    return _hasher.check_needs_rehash(password_hash)
