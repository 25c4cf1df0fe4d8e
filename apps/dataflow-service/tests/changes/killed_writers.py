"""Writes rows and publishes the changes in processes that are killed at any moment.

python killed_writers.py ROUNDS

The settings are those in the environment. Printed are the ids of the rows whose commit was reported before the end of their process,
as JSON. The last process publishes what is left.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from datetime import timedelta

from killing import start
from redis.asyncio import Redis

from dataflow_service.changes import repository
from dataflow_service.changes.relay import ChangeRelay
from dataflow_service.records.service import RecordService
from dataflow_service.registry import loader
from dataflow_service.registry.model import Registry
from dataflow_service.settings import Settings
from nexus_chassis import channels
from nexus_chassis.background import in_background
from nexus_chassis.postgres import create_pool
from nexus_chassis.principal import Principal
from nexus_chassis.settings import load
from nexus_chassis.unit_of_work import Database

WRITERS = 8
LONGEST_LIFE = 0.05  # seconds after the first commit is reported: until after it is published
ME = Principal("me", "test", frozenset({"data:write"}), "", 0, "")
VALUES = {
    **dict.fromkeys(("description", "sku", "supplier", "unspsc_code", "etim_class")),
    "name": "x",
    "attributes": "{}",
}


async def _serve(settings: Settings, registry: Registry, report: int | None) -> None:
    """Write a row by each writer and report its id, or where there is nobody to report to, publish all that is there."""
    database = Database(create_pool(settings, row_security=True))
    async with Redis.from_url(settings.redis_url, decode_responses=True) as redis:
        relay = ChangeRelay(database, redis, registry, kept=timedelta(days=1))
        records = RecordService(database, relay.announce, read_seconds=10)
        async with in_background(relay.run()):
            if report is None:
                await _all_published(database)
            else:
                await asyncio.gather(*(_write(records, registry, report) for _ in range(WRITERS)))
                await asyncio.sleep(60)
    await database.close()


async def _write(records: RecordService, registry: Registry, report: int) -> None:
    async with records.writing(ME) as rows:
        row = await rows.create(registry.named("Product"), VALUES)
    os.write(report, f"{row['id']}\n".encode())


async def _all_published(database: Database) -> None:
    async with database.read() as connection:
        latest = await repository.read_latest(connection)
        while await repository.read_position(connection, "published") < latest:  # noqa: ASYNC110 - the database announces nothing
            await asyncio.sleep(0.05)


def main(rounds: int) -> None:
    """Kill as many processes, then publish the rest."""
    channels.MAX_HISTORY = 100_000  # a killed process's events are sent again, and none may be cut off
    settings, registry = load(Settings), loader.load("dataflow_service.models")
    chance = random.Random(rounds)  # noqa: S311 - moments, no secrets
    reported: list[int] = []
    for _ in range(rounds):
        reading, writing = os.pipe()
        process = start(_serve(settings, registry, writing))
        os.close(writing)
        with os.fdopen(reading) as reports:
            reported.append(int(reports.readline()))
            time.sleep(chance.uniform(0, LONGEST_LIFE))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            reported += [int(line) for line in reports]
    _, status = os.waitpid(start(_serve(settings, registry, None)), 0)
    sys.stdout.write(json.dumps(reported))
    sys.exit(status)


main(int(sys.argv[1]))
