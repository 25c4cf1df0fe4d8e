"""kill -9 at any moment between a commit and its publication: no change is lost."""

import json
import subprocess
import sys
from pathlib import Path

import asyncpg
from channel import published
from conftest import MakeSettings

from dataflow_service.settings import MIGRATIONS
from nexus_chassis.postgres import migrate

ROUNDS = 100


async def test_no_change_is_lost_when_the_service_is_killed(
    make_settings: MakeSettings, environment: dict[str, str], database: asyncpg.Connection, redis_url: str
) -> None:
    await migrate(make_settings(), MIGRATIONS)
    script = Path(__file__).with_name("killed_writers.py")
    command = [sys.executable, script, str(ROUNDS)]
    done = subprocess.run(  # noqa: ASYNC221 - nothing else happens meanwhile
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    reported = set(json.loads(done.stdout))
    stored = {row_id for (row_id,) in await database.fetch("SELECT id FROM products")}
    logged = [int(row_id) for (row_id,) in await database.fetch("SELECT row_id FROM changes ORDER BY xid, id")]
    assert reported <= stored
    assert sorted(logged) == sorted(stored)
    heard = {event["id"] for event in await published(redis_url, len(stored))}
    assert heard == stored
    assert len(reported) >= ROUNDS
    sys.stdout.write(f"\n{len(stored)} rows of {ROUNDS} killed processes, all of them published\n")
