"""Publishes how far streams are to channels of the gateway, beside the streams: they never wait for Redis."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

from nexus_chassis import channels
from nexus_chassis.channels import Channel
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.principal import Principal
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.telemetry import current_traceparent

EVERY_SECONDS = 1.0
"""How often the progress of one stream is published."""

_PUBLISH_SECONDS = 2.0
_MAX_ENDED = 100  # ends that wait while Redis does not answer
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Progress:
    """How far a stream is: rows that are written, though not committed before its state is "done", and bytes that are read."""

    channel: Channel | None
    model: str
    operation: str
    trace: str | None
    rows: int = 0
    size: int = 0
    state: Literal["running", "done", "failed"] = "running"
    due: float = field(default_factory=lambda: time.monotonic() + EVERY_SECONDS)

    async def reading(self, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """Yield the parts of the body, and count their bytes."""
        async for part in parts:
            self.size += len(part)
            yield part

    def event(self) -> dict[str, object]:
        """Return the event that says how far it is."""
        about = {"event": "bulk", "model": self.model, "operation": self.operation, "trace": self.trace}
        return {**about, "rows": self.rows, "bytes": self.size, "state": self.state}


class ProgressReports:
    """The progress of the streams of one process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._running: set[Progress] = set()
        self._ended: deque[Progress] = deque(maxlen=_MAX_ENDED)
        self._news = asyncio.Event()

    @contextmanager
    def following(self, principal: Principal, model: str, operation: str) -> Iterator[Progress]:
        """Context manager of the progress of a stream, which is published to the channel of its caller while it runs."""
        progress = Progress(_channel(principal), model, operation, _trace())
        self._running.add(progress)
        self._news.set()
        try:
            yield progress
        except BaseException:
            progress.state = "failed"
            raise
        else:
            progress.state = "done"
        finally:
            self._running.discard(progress)
            self._ended.append(progress)
            self._news.set()

    async def run(self) -> None:
        """Publish until the task is cancelled. What cannot be published is left out: the next event says more."""
        fault = ""
        while True:
            await self._wait()
            before, fault = fault, await self._publish(self._due())
            if fault not in {"", before}:
                _log.warning("the progress of streams is not published: %s", fault)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY_SECONDS / 4 if self._running else None):
                await self._news.wait()
        self._news.clear()

    def _due(self) -> list[Progress]:
        now = time.monotonic()
        running = [progress for progress in self._running if progress.due <= now]
        for progress in running:
            progress.due = now + EVERY_SECONDS
        ended = list(self._ended)
        self._ended.clear()
        return [*running, *ended]

    async def _publish(self, reports: list[Progress]) -> str:
        """Publish events; returns why that is not possible, or an empty text."""
        try:
            for progress in reports:
                if progress.channel is not None:
                    async with asyncio.timeout(_PUBLISH_SECONDS):
                        with translate_redis_errors():
                            await channels.publish(self._redis, progress.channel, progress.event())
        except TimeoutError:
            return f"Redis did not answer within {_PUBLISH_SECONDS:g} s"
        except (RedisUnavailableError, PoolExhaustedError, RedisError) as error:
            return str(error)
        return ""


def _channel(principal: Principal) -> Channel | None:
    """Return the channel of a caller, None where the subject cannot be part of a name. No model has a path with a dot."""
    try:
        return Channel.parse(f"data:bulk.{principal.subject}", principal.tenant)
    except ValueError:
        return None


def _trace() -> str | None:
    """Return the trace id of the request, by which its caller knows the events."""
    traceparent = current_traceparent()
    return None if traceparent is None else traceparent.split("-")[1]
