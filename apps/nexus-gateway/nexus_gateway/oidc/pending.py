"""Logins that are going on at a provider, in Redis."""

import hashlib
import hmac
import json
from dataclasses import asdict

from redis.asyncio import Redis

from nexus_chassis.redis_errors import translate_redis_errors
from nexus_gateway.oidc.models import PendingLogin

SECONDS = 600
"""How long somebody may take to sign in at a provider."""


class PendingLogins:
    """Each can be taken once, by the browser that began it. Raises RedisUnavailableError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, state: str, login: PendingLogin, browser: str) -> None:
        """Keep a login under the `state` that the provider sends back."""
        value = json.dumps({**asdict(login), "browser": _hash(browser)})
        with translate_redis_errors():
            await self._redis.set(_key(state), value, ex=SECONDS)

    async def take(self, state: str, browser: str) -> PendingLogin | None:
        """The login with this state; None for one that is unknown, over, taken already or another browser's."""
        with translate_redis_errors():
            value = await self._redis.getdel(_key(state))
        if value is None:
            return None
        fields = json.loads(value)
        is_own = hmac.compare_digest(fields.pop("browser"), _hash(browser))
        return PendingLogin(**fields) if is_own else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _key(state: str) -> str:
    return f"gateway:oidc:{_hash(state)}"
