"""Runs of training and trainers, for whoever watches the service: a trainer has no port of its own."""

import asyncio

from prometheus_client import Gauge

from classification_service.training_runs import repository
from classification_service.training_runs.models import SEEN_SECONDS
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

POLL_SECONDS = 15.0
STATES = ("queued", "running", "done", "failed", "cancelled")
RUNS = Gauge("training_runs", "runs of training that are kept, by state", ["state"], multiprocess_mode="mostrecent")
TRAINERS = Gauge("trainers", "trainers that have shown themselves lately", multiprocess_mode="mostrecent")


async def count_runs(database: Database) -> None:
    """Keep the metrics as PostgreSQL has them, until the task is cancelled; they stay while it is away."""
    while True:
        try:
            async with database.read() as connection:
                states = await repository.states(connection)
            async with database.read() as connection:
                TRAINERS.set(await repository.count_trainers(connection, SEEN_SECONDS))
        except (DatabaseUnavailableError, PoolExhaustedError):
            pass  # the health check tells it
        else:
            for state in STATES:
                RUNS.labels(state).set(states.get(state, 0))
        await asyncio.sleep(POLL_SECONDS)
