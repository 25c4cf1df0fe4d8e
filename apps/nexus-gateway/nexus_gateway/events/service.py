"""Events for clients: what WebSockets, event streams and requests share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from nexus_chassis import channels
from nexus_chassis.channels import Channel, Position
from nexus_chassis.drain import Drain
from nexus_chassis.origins import Origins
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.revocations import Revocations
from nexus_chassis.tokens import Principal
from nexus_gateway.events.channels import authorize_publisher, authorize_subscriber
from nexus_gateway.events.connections import Connections
from nexus_gateway.events.hub import Hub
from nexus_gateway.events.presence import Presence
from nexus_gateway.events.tickets import Tickets

type Admit = Callable[[Principal], Awaitable[None]]
"""Counts a message of the principal; raises an error when it sends too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventService:
    """Events of one process. `admit` limits how fast a principal subscribes and publishes."""

    redis: Redis
    hub: Hub
    connections: Connections
    presence: Presence
    tickets: Tickets
    origins: Origins
    revocations: Revocations
    admit: Admit

    async def publish(self, principal: Principal, name: object, data: object) -> tuple[Channel, Position]:
        """Publish to the channel of this name; returns the channel, and the event's place in it.

        Raises UnknownChannelError, InsufficientScopeError, NotPublishableError, InvalidEventError, RedisUnavailableError,
        and what `admit` does.
        """
        channel = await authorize_publisher(name, principal)
        await self.admit(principal)
        with translate_redis_errors():
            return channel, await channels.publish(self.redis, channel, data)

    async def count_subscribers(self, principal: Principal, name: object) -> int:
        """Subscribers of a channel that the principal may subscribe to itself.

        Raises UnknownChannelError, InsufficientScopeError, ForeignChannelError or RedisUnavailableError.
        """
        return await self.presence.count(await authorize_subscriber(name, principal))


@asynccontextmanager
async def open_events(
    redis: Redis, follower: Redis, *, drain: Drain, origins: Origins, revocations: Revocations, admit: Admit
) -> AsyncIterator[EventService]:
    """The service, following channels while the block runs. `follower` is a client of `create_follower`."""
    hub = Hub(redis, follower)
    service = EventService(
        redis=redis,
        hub=hub,
        connections=Connections(drain),
        presence=Presence(redis, hub.counts),
        tickets=Tickets(redis),
        origins=origins,
        revocations=revocations,
        admit=admit,
    )
    tasks = [asyncio.create_task(part.run()) for part in (hub, service.connections, service.presence)]
    try:
        yield service
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
