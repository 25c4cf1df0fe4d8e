"""Processes that are killed, for scripts that look at what they leave behind."""

import asyncio
import os
import signal
from collections.abc import Coroutine

from nexus_chassis.postgres import connect_as_owner
from nexus_chassis.settings import PostgresSettings


def start(work: Coroutine[None, None, None]) -> int:
    """Start a copy of this process, which ends after `work`; return its id. No event loop may run here."""
    process = os.fork()
    if process == 0:
        asyncio.run(work)
        os._exit(0)
    work.close()
    return process


def kill(process: int) -> bool:
    """Kill a process, and return whether it had not ended by itself; raises AssertionError where it had failed."""
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert status in {0, signal.SIGKILL}, f"the process ended with the status {status}"
    return status != 0


async def forgotten(settings: PostgresSettings) -> None:
    """Wait until PostgreSQL has ended the sessions of processes that are gone; fails after 10 s."""
    async with asyncio.timeout(10), connect_as_owner(settings) as connection:
        while await connection.fetchval(_SESSIONS) > 0:  # noqa: ASYNC110 - PostgreSQL reports no event
            await asyncio.sleep(0.01)


_SESSIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
"""
