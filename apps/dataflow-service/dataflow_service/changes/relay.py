"""Publishes committed changes to the channels of their models, each at least once, however processes end.

Every worker process has a relay, with a connection of its own; the one that holds the lock publishes. Writers never wait
for it: they announce that there is something new, and what nobody announced is found within a second.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

import asyncpg
from prometheus_client import Counter
from redis.asyncio import Redis

from dataflow_service.changes import repository
from dataflow_service.changes.encoding import event
from dataflow_service.changes.repository import ChangeSet
from dataflow_service.registry.model import Registry
from nexus_chassis import channels
from nexus_chassis.channels import Channel
from nexus_chassis.database_errors import translate_database_errors
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.unit_of_work import Database

POLL_SECONDS = 1.0
"""How often the relay looks for changes that nobody announced."""

_QUIET_SECONDS = 0.01  # announcements of so long a time are sent to other processes together
_PERIOD_SECONDS = 0.1  # under load: each time costs as much as several writes
_RETRY_SECONDS = 1.0
_PUBLISH_SECONDS = 5.0
_DELETE_SECONDS = 60.0
_BATCH = 10_000
_log = logging.getLogger(__name__)

PUBLISHED = Counter("dataflow_changes_published", "Changes published to a channel", ["channel"])


class ChangeRelay:
    """The relay of one process. Changes that were published `kept` ago are deleted from the log."""

    def __init__(self, database: Database, redis: Redis, registry: Registry, *, kept: timedelta) -> None:
        self._database = database
        self._redis = redis
        self._models = registry.by_path
        self._kept = kept
        self._news = asyncio.Event()
        self._announced = False
        self._next_deletion = 0.0
        self._next_time = 0.0

    def announce(self) -> None:
        """Report that changes were committed; returns at once."""
        self._announced = True
        self._news.set()

    async def run(self) -> None:
        """Publish changes until the task is cancelled; goes on by itself after PostgreSQL or Redis were away."""
        fault = ""
        while True:
            before, fault = fault, await self._attempt()
            if fault != before:
                _log.warning("changes are not published, and kept for later: %s", fault)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _attempt(self) -> str:
        """Publish until that is not possible; returns why."""
        try:
            async with self._database.connect() as connection:
                with translate_database_errors():
                    await self._follow(connection)
        except (DatabaseUnavailableError, PoolExhaustedError, RedisUnavailableError) as error:
            return str(error)

    async def _follow(self, connection: asyncpg.Connection) -> NoReturn:
        await repository.listen(connection, self._news.set)
        leads = False
        while True:
            await self._wait()
            leads = leads or await repository.lock_relay(connection)
            if leads:
                await self._publish_all(connection)
                await self._delete_old(connection)
            elif self._announced:
                await repository.notify(connection)
            self._announced = False

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._news.wait()
        await asyncio.sleep(max(_QUIET_SECONDS, self._next_time - time.monotonic()))
        self._next_time = time.monotonic() + _PERIOD_SECONDS
        self._news.clear()

    async def _publish_all(self, connection: asyncpg.Connection) -> None:
        position = await repository.read_position(connection, "published")
        while sets := await repository.read_sets(connection, position, limit=_BATCH):
            for channel, same in _by_channel(sets).items():
                await self._publish(channel, same)
            position = sets[-1].position
            await repository.set_published(connection, position)

    async def _publish(self, channel: Channel, sets: Sequence[ChangeSet]) -> None:
        events = [event(change_set, self._models.get(change_set.model)) for change_set in sets]
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                with translate_redis_errors():
                    await channels.publish_all(self._redis, channel, events)
        except TimeoutError:
            raise RedisUnavailableError(f"Redis did not answer within {_PUBLISH_SECONDS:g} s") from None
        PUBLISHED.labels(str(channel)).inc(sum(change_set.count for change_set in sets))

    async def _delete_old(self, connection: asyncpg.Connection) -> None:
        if time.monotonic() < self._next_deletion:
            return
        while await repository.delete_old(connection, self._kept, limit=_BATCH) == _BATCH:
            await self._publish_all(connection)
        self._next_deletion = time.monotonic() + _DELETE_SECONDS


def _by_channel(sets: Sequence[ChangeSet]) -> Mapping[Channel, list[ChangeSet]]:
    found: dict[Channel, list[ChangeSet]] = defaultdict(list)
    for change_set in sets:
        found[Channel.parse(f"data:{change_set.model}", change_set.tenant)].append(change_set)
    return found
