"""Tokens of password resets in Redis, as their SHA-256, for an hour each."""

import hashlib
import secrets
from dataclasses import dataclass

from redis.asyncio import Redis

from nexus_chassis.redis_errors import translate_redis_errors

SECONDS = 3600
"""How long a token is valid."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Whose password may be set, and in place of which one (SHA-256 of its hash)."""

    user: str
    former: str


class ResetTokens:
    """Raises RedisUnavailableError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(self, user: str, password_hash: str | None) -> str:
        """A token for the user, as long as they have the password with that hash."""
        token = secrets.token_urlsafe(32)
        with translate_redis_errors():
            await self._redis.set(_key(token), f"{user} {fingerprint(password_hash)}", ex=SECONDS)
        return token

    async def find(self, token: str) -> Reset | None:
        """What the token is for; None for one that was not made, or has expired."""
        with translate_redis_errors():
            value = await self._redis.get(_key(token))
        return None if value is None else Reset(*str(value).split(" "))

    async def remove(self, token: str) -> None:
        """Forget a token."""
        with translate_redis_errors():
            await self._redis.delete(_key(token))


def fingerprint(password_hash: str | None) -> str:
    """What stands for the hash of a password outside of PostgreSQL."""
    return hashlib.sha256((password_hash or "").encode()).hexdigest()


def _key(token: str) -> str:
    return f"gateway:password-reset:{hashlib.sha256(token.encode()).hexdigest()}"
