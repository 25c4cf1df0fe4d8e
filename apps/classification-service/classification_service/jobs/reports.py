"""Publishes how far jobs are to channels of the gateway, at most once a second for each job. Work never waits for Redis."""

import asyncio
import logging
import time
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from classification_service.jobs.models import JobState, Owner, Standing
from nexus_chassis import channels
from nexus_chassis.channels import DEFAULT_TENANT, Channel
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors

EVERY_SECONDS = 1.0
_PUBLISH_SECONDS = 2.0
_MAX_JOBS = 1000
_log = logging.getLogger(__name__)


def job_event(job_id: UUID, state: JobState, standing: Standing) -> dict[str, object]:
    """The event that says how far a job is."""
    return {
        "event": "job",
        "id": str(job_id),
        "state": state,
        "rows": {"total": standing.read if standing.whole else None, "done": standing.done, "failed": standing.failed},
        "rate": standing.rate,
        "eta_seconds": standing.eta_seconds,
    }


class JobReports:
    """Reports of one process; without Redis there are none."""

    def __init__(self, redis: Redis | None) -> None:
        self._redis = redis
        self._published: dict[UUID, float] = {}
        self._fault = ""

    def is_due(self, job_id: UUID) -> bool:
        """Whether a running job has something new to report."""
        return self._redis is not None and time.monotonic() - self._published.get(job_id, float("-inf")) > EVERY_SECONDS

    async def publish(self, job_id: UUID, owner: Owner, state: JobState, standing: Standing) -> None:
        """Publish to the channel `jobs:ID`; what cannot be published is left out."""
        if self._redis is None:
            return
        if len(self._published) >= _MAX_JOBS:
            self._published.clear()
        self._published[job_id] = time.monotonic()
        channel = Channel(owner.tenant or DEFAULT_TENANT, "jobs", str(job_id))
        before, self._fault = self._fault, await _publish(self._redis, channel, job_event(job_id, state, standing))
        if self._fault not in {"", before}:
            _log.warning("the progress of jobs is not published: %s", self._fault)


async def _publish(redis: Redis, channel: Channel, event: dict[str, object]) -> str:
    """Publish an event; returns why that is not possible, or an empty text."""
    try:
        async with asyncio.timeout(_PUBLISH_SECONDS):
            with translate_redis_errors():
                await channels.publish(redis, channel, event)
    except TimeoutError:
        return f"Redis did not answer within {_PUBLISH_SECONDS:g} s"
    except (RedisUnavailableError, PoolExhaustedError, RedisError) as error:
        return str(error)
    return ""
