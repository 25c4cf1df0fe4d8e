"""Tickets: what a browser puts into an address instead of a token. Each opens one connection, within 30 seconds."""

import dataclasses
import hashlib
import json
import secrets
from typing import Any

from redis.asyncio import Redis

from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.tokens import Principal
from nexus_gateway.events.errors import InvalidTicketError

TICKET_SECONDS = 30


class Tickets:
    """Tickets in Redis, by their SHA-256. They hold whom a token spoke for, never the token."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, principal: Principal) -> str:
        """A ticket of the principal; raises RedisUnavailableError."""
        ticket = secrets.token_urlsafe(24)
        fields = dataclasses.asdict(dataclasses.replace(principal, token=""))
        text = json.dumps({**fields, "scopes": sorted(principal.scopes)})
        with translate_redis_errors():
            await self._redis.set(_key(ticket), text, ex=TICKET_SECONDS)
        return ticket

    async def redeem(self, ticket: str) -> Principal:
        """Whose ticket it is, which it is no longer then; raises InvalidTicketError or RedisUnavailableError."""
        with translate_redis_errors():
            text: Any = await self._redis.getdel(_key(ticket))
        if text is None:
            raise InvalidTicketError
        fields: dict[str, Any] = json.loads(text)
        return Principal(**{**fields, "scopes": frozenset(fields["scopes"]), "actor": tuple(fields["actor"])})


def _key(ticket: str) -> str:
    return f"gateway:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"
