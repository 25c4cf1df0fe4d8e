"""Opens the jobs: their service, and the worker of this process."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta

from classification_service.jobs.models import Classify
from classification_service.jobs.reports import JobReports
from classification_service.jobs.runner import JobRunner, Loaded
from classification_service.jobs.service import JobService
from nexus_chassis import redis
from nexus_chassis.background import in_background
from nexus_chassis.settings import RedisSettings
from nexus_chassis.unit_of_work import Database

_SWITCH_SECONDS = 0.0005
"""How long the event loop waits for a thread that reads or packs rows; it is ten times as long by default."""


@asynccontextmanager
async def open_jobs(
    database: Database | None, messages: RedisSettings | None, classify: Classify, loaded: Loaded, kept: timedelta
) -> AsyncIterator[JobService]:
    """Context manager of the jobs, which this process works on; without a database there are none."""
    if database is None:
        yield JobService(None, JobReports(None), lambda: None)
        return
    async with nullcontext() if messages is None else redis.create_redis(messages) as client:
        reports = JobReports(client)
        sys.setswitchinterval(_SWITCH_SECONDS)
        runner = JobRunner(database, classify, loaded, reports, kept)
        async with in_background(runner.run()):
            yield JobService(database, reports, runner.wake)
