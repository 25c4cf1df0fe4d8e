"""What was published to the channel of products."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from nexus_chassis.channels import START, Channel, Position, history, position


async def published(redis_url: str, count: int, tenant: str | None = None) -> list[Any]:
    """The events of a tenant's channel, once there are `count`; fails after 10 s."""
    channel = Channel.parse("data:product", tenant)
    async with asyncio.timeout(10), Redis.from_url(redis_url, decode_responses=True) as redis:
        while True:
            epoch = (await position(redis, channel)).epoch
            events = await history(redis, channel, Position(epoch, START)) or []
            if len(events) >= count:
                return [event.data for event in events]
            await asyncio.sleep(0.05)
