"""Which rounds of requests were used: the state of a round counts once where a tool changes something."""

from redis.asyncio import Redis

from mcp_server.protocol.request_state import LIFETIME_SECONDS
from nexus_chassis.redis_errors import translate_redis_errors


class UsedRounds:
    """Keeps them in Redis for as long as a state can be sent again."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def use(self, round_id: str) -> bool:
        """Take note of the use of a round; returns whether it is the first. Raises RedisUnavailableError."""
        with translate_redis_errors():
            return bool(await self._redis.set(f"mcp:round:{round_id}", "1", nx=True, ex=LIFETIME_SECONDS + 1))
