"""Publishes committed changes to the channel of their model."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from prometheus_client import Counter
from redis.asyncio import Redis

from nexus_chassis import channels
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors

_PUBLISH_SECONDS = 2.0
_log = logging.getLogger(__name__)

PUBLISHED = Counter("dataflow_changes_published", "Changes published to a channel", ["channel"])
MISSED = Counter("dataflow_changes_missed", "Changes committed but not published, because Redis was away", ["channel"])


class ChangePublisher:
    """Publishes to the channels `data:<model>` of a tenant, one event per row."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(
        self, tenant: str | None, path: str, operation: str, ids: Sequence[Any], changed: Sequence[str]
    ) -> None:
        """Publish the changes of one request to rows of the model at `path`, all in one round trip.

        `tenant` is that of the principal, None for one without.

        A change that cannot be published stands: it is logged and counted.
        """
        channel = channels.Channel.parse(f"data:{path}", tenant)
        label = str(channel)
        events = [_event(operation, row_id, changed) for row_id in ids]
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                with translate_redis_errors():
                    await channels.publish_all(self._redis, channel, events)
        except (RedisUnavailableError, PoolExhaustedError, TimeoutError) as error:
            reason = str(error) or f"Redis did not answer within {_PUBLISH_SECONDS:g} s"
            _log.warning("%d changes were not published to %s: %s", len(ids), label, reason)
            MISSED.labels(label).inc(len(ids))
        else:
            PUBLISHED.labels(label).inc(len(ids))


def _event(operation: str, row_id: object, changed: Sequence[str]) -> dict[str, object]:
    identity = row_id if isinstance(row_id, int) else str(row_id)
    return {"op": operation, "id": identity, "changed": list(changed)}
