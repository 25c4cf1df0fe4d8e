"""The gateway's side of `revocations`: the Redis Stream that they are appended to, read once per process."""

import asyncio
import logging
import random
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request

from nexus_chassis.channels import START, offset_key
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.drain import Drain
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.revocations import KEPT_SECONDS, RevocationPage, Revocations, revocation_hash

STREAM = "gateway:revocations"
MAX_REVOCATIONS = 500
"""Revocations of one page."""

MAX_WAITERS = 512
"""Requests that wait for the next page; further ones are answered at once."""

MAX_WAITERS_PER_ADDRESS = 64

_MAX_KEPT = 5000  # in memory, for those who wait; older ones are read from Redis
_BLOCK_SECONDS = 5.0
_GRACE_SECONDS = 2.0
_GATHER_SECONDS = 0.02  # until a page is read, so that a burst does not wake everybody for each of its entries
_RETRY_SECONDS = 0.3
_log = logging.getLogger(__name__)

type Entry = tuple[str, dict[str, str]]


async def revoke_session(redis: Redis, session: str) -> None:
    """Make known that the session ended."""
    await _append(redis, {"session": revocation_hash(session)})


async def revoke_subject(redis: Redis, subject: str, epoch: int) -> None:
    """Make known that the subject's tokens of a lower epoch ended."""
    await _append(redis, {"subject": revocation_hash(subject), "epoch": epoch})


async def revoke_key(redis: Redis, key_id: str) -> None:
    """Make known that a key was withdrawn: what it signed counts no longer."""
    await _append(redis, {"key": key_id})


async def _append(redis: Redis, fields: dict[Any, Any]) -> None:
    await redis.xadd(STREAM, fields, minid=oldest_kept(), approximate=True)


def oldest_kept() -> int:
    """The offset before which the stream needs no entries: all tokens that they concern have expired."""
    return int((time.time() - KEPT_SECONDS) * 1000)


async def read_revocations(redis: Redis, after: str = START) -> RevocationPage:
    """At most MAX_REVOCATIONS after a cursor; raises ValueError for text that is not one."""
    offset_key(after)
    entries: Any = await redis.xrange(STREAM, min=f"({after}", count=MAX_REVOCATIONS)
    return _page(after, entries)


def _page(after: str, entries: list[Entry]) -> RevocationPage:
    """The page that these entries after the cursor `after` make, without those that concern expired tokens alone.

    The stream is trimmed by blocks, so that it may have such entries for long; a process that starts must not learn them.
    """
    oldest = oldest_kept()
    found = [fields for offset, fields in entries if offset_key(offset)[0] >= oldest]
    return RevocationPage(
        entries[-1][0] if entries else after,
        [fields["session"] for fields in found if "session" in fields],
        {fields["subject"]: int(fields["epoch"]) for fields in found if "subject" in fields},
        [fields["key"] for fields in found if "key" in fields],
    )


async def answer_revocations(request: Request, feed: "RevocationFeed", after: str, wait: float) -> RevocationPage:
    """What to answer to a service that asks for what ended after a cursor; ends when the service leaves.

    Raises RedisUnavailableError, and ClientDisconnect.
    """
    waiter = request.client.host if request.client else ""
    return await cancel_on_disconnect(request, feed.page(after, wait, waiter))


class RevocationFeed:
    """Reads the stream for all of its process: into `revocations`, and for those who wait for the next page.

    `follower` is a client of `create_follower`, for the feed alone: waiting blocks its connection.
    """

    def __init__(self, redis: Redis, follower: Redis, revocations: Revocations) -> None:
        self._redis = redis
        self._follower = follower
        self._revocations = revocations
        self._entries: list[Entry] = []
        self._since = START  # what came after it is in `_entries`
        self._cursor = START
        self._current = False
        self._drain = Drain()
        self._changed = asyncio.Event()
        self._waiters: Counter[str] = Counter()

    @asynccontextmanager
    async def running(self, drain: Drain) -> AsyncIterator[None]:
        """Follow the stream while the block runs; those who wait are answered when `drain` starts."""
        self._drain = drain
        tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._end_waits())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def page(self, after: str, seconds: float, waiter: str) -> RevocationPage:
        """What ended after a cursor, as soon as there is anything, or nothing after some seconds.

        `waiter` is the address of who waits, which limits how many do. Raises RedisUnavailableError, and ValueError for
        text that is no cursor.
        """
        if not seconds:
            return await self._read_stream(after)
        page = await self._read(after)
        if page.cursor != after:
            return page
        with self._place(waiter) as free, suppress(TimeoutError):
            if free:
                async with asyncio.timeout(seconds):
                    await self._wait_for_more(after)
        return await self._read(after)

    @contextmanager
    def _place(self, waiter: str) -> Iterator[bool]:
        """Whether one more may wait; if so it counts while the block runs."""
        if self._waiters.total() >= MAX_WAITERS or self._waiters[waiter] >= MAX_WAITERS_PER_ADDRESS:
            yield False
            return
        self._waiters[waiter] += 1
        try:
            yield True
        finally:
            self._waiters[waiter] -= 1
            self._waiters += Counter()  # forgets those who have none left

    async def _wait_for_more(self, after: str) -> None:
        while not self._drain.started and offset_key(self._cursor) <= offset_key(after):
            await self._changed.wait()

    async def _read(self, after: str) -> RevocationPage:
        """From memory, unless the cursor is older or the memory not complete now."""
        place = offset_key(after)
        if self._current and place >= offset_key(self._since):
            first = bisect_right(self._entries, place, key=lambda entry: offset_key(entry[0]))
            return _page(after, self._entries[first : first + MAX_REVOCATIONS])
        return await self._read_stream(after)

    async def _read_stream(self, after: str) -> RevocationPage:
        with translate_redis_errors():
            return await read_revocations(self._redis, after)

    async def _run(self) -> None:
        while True:
            try:
                await self._catch_up()
                await self._wait_for_entries()
            except (RedisUnavailableError, PoolExhaustedError, RedisError) as error:
                if self._current:
                    _log.warning("revocations wait for Redis: %s", error)
                self._current = False
                await asyncio.sleep(random.uniform(0.5, 1.0) * _RETRY_SECONDS)  # noqa: S311  no secret

    async def _catch_up(self) -> None:
        """Read every entry that there is now."""
        while True:
            with translate_redis_errors():
                entries: Any = await self._redis.xrange(STREAM, min=f"({self._cursor}", count=MAX_REVOCATIONS)
            if not entries:
                self._current = True
                return
            self._learn(entries)

    async def _wait_for_entries(self) -> None:
        places: dict[Any, Any] = {STREAM: self._cursor}
        with translate_redis_errors():
            async with asyncio.timeout(_BLOCK_SECONDS + _GRACE_SECONDS):
                found = await self._follower.xread(places, count=1, block=int(_BLOCK_SECONDS * 1000))
        if found:
            await asyncio.sleep(_GATHER_SECONDS)

    def _learn(self, entries: list[Entry]) -> None:
        self._revocations.add(_page(self._cursor, entries))
        self._cursor = entries[-1][0]
        self._entries += entries
        if len(self._entries) > _MAX_KEPT:
            forgotten = len(self._entries) - _MAX_KEPT // 2
            self._since = self._entries[forgotten - 1][0]
            del self._entries[:forgotten]
        self._wake()

    async def _end_waits(self) -> None:
        await self._drain.wait()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
