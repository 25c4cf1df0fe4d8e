"""What was published to the channel of products, and when the feed has all that was committed."""

import asyncio
from typing import Any

import aiohttp
import asyncpg
from redis.asyncio import Redis

from nexus_chassis.channels import START, Channel, Position, history, position


async def published(redis_url: str, count: int, tenant: str | None = None) -> list[Any]:
    """The events of a tenant's channel, once there are `count`; fails after 10 s."""
    channel = Channel.parse("data:product", tenant)
    async with asyncio.timeout(60), Redis.from_url(redis_url, decode_responses=True) as redis:
        while True:
            epoch = (await position(redis, channel)).epoch
            events = await history(redis, channel, Position(epoch, START)) or []
            if len(events) >= count:
                return [event.data for event in events]
            await asyncio.sleep(0.05)


async def shown(database: asyncpg.Connection) -> None:
    """Wait until the feed shows all changes: until no transaction of others on the server is older than them."""
    async with asyncio.timeout(60):
        while not await database.fetchval(_SHOWN):  # noqa: ASYNC110 - the database announces nothing
            await asyncio.sleep(0.01)


_SHOWN = "SELECT coalesce(max(xid) < pg_snapshot_xmin(pg_current_snapshot()), true) FROM changes"


async def latest(client: aiohttp.ClientSession, database: asyncpg.Connection) -> str:
    """Where the feed ends, once it shows all changes."""
    await shown(database)
    found: str = (await (await client.get("/v1/changes?after=latest")).json())["next"]
    return found
