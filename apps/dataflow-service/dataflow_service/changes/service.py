"""Publishes each change to the channel of its model, once it is committed."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dataflow_service.catalogue.schemas import Model
from nexus_chassis import channels

_PUBLISH_SECONDS = 2.0
_log = logging.getLogger(__name__)

PUBLISHED = Counter("dataflow_changes_published", "Changes published to a channel", ["channel"])
MISSED = Counter("dataflow_changes_missed", "Changes committed but not published, because Redis was away", ["channel"])


class Changes:
    """Tells of committed changes on the channels `data:<model>`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, model: Model, operation: str, ids: Sequence[Any], changed: Sequence[str]) -> None:
        """Publish one event per row. A change that cannot be published stands: it is logged and counted."""
        channel, done = f"data:{model.path}", 0
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                for row_id in ids:
                    await channels.publish(self._redis, channel, _event(operation, row_id, changed))
                    done += 1
        except (RedisError, OSError) as error:
            _log.warning("%d changes were not published to %s: %s", len(ids) - done, channel, str(error) or "no answer")
            MISSED.labels(channel).inc(len(ids) - done)
        PUBLISHED.labels(channel).inc(done)


def _event(operation: str, row_id: object, changed: Sequence[str]) -> dict[str, object]:
    identity = row_id if isinstance(row_id, int) else str(row_id)
    return {"op": operation, "id": identity, "changed": list(changed)}
