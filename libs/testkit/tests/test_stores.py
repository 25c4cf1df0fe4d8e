"""The stores of a test: empty at its start, its own, and gone after it, in whatever order tests run."""

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis import Redis

from nexus_testkit.schemas import Superuser

SCHEMA_SECONDS, NOISE = 0.03, 3
LEAVING = """
import os
from urllib.parse import urlsplit

import asyncpg
import pytest


@pytest.mark.parametrize("number", range(2))
async def test_leaving(number, postgres_url):
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE kept (id int)")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE kept")
    print(f"role: {urlsplit(postgres_url).username}")
    connections.append(connection)


connections = []
"""


@pytest.mark.parametrize("number", range(3))
async def test_schema_is_empty_and_of_this_test_alone(postgres_url: str, number: int) -> None:
    connection = await asyncpg.connect(postgres_url)
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
    assert await connection.fetchval("SELECT current_schema()") == urlsplit(postgres_url).username
    assert await connection.fetchval(tables) == 0
    await connection.execute(f"CREATE TABLE same AS SELECT {number}")
    assert await connection.fetchval(tables) == 1
    await connection.close()


@pytest.mark.parametrize("number", range(3))
def test_redis_database_is_empty(redis_url: str, number: int) -> None:
    with Redis.from_url(redis_url) as redis:
        assert redis.dbsize() == 0
        redis.set("same", number)


async def test_nothing_is_left_of_a_test_that_leaves_a_connection_open(postgres_admin_url: str, tmp_path: Path) -> None:
    (tmp_path / "test_leaving.py").write_text(LEAVING)
    options = ["-p", "nexus_testkit.plugin", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-W", "ignore"]
    command = [sys.executable, "-m", "pytest", *options, "--capture=no", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: ASYNC221  it is waited for
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    roles = [line.partition("role: ")[2] for line in done.stdout.splitlines() if "role: " in line]
    assert len(set(roles)) == 2
    connection = await asyncpg.connect(postgres_admin_url)
    left = "SELECT rolname FROM pg_roles WHERE rolname = ANY($1) UNION SELECT nspname FROM pg_namespace WHERE nspname = ANY($1)"
    assert await connection.fetch(left, roles) == []
    await connection.close()


def test_schema_is_made_and_removed_in_30_ms(postgres_admin_url: str) -> None:
    superuser = Superuser(postgres_admin_url)
    superuser.execute("SELECT 1")
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        with superuser.temporary_schema():
            pass
        seconds.append(time.perf_counter() - started)
    superuser.close()
    assert min(seconds) < NOISE * SCHEMA_SECONDS
