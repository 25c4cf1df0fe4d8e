"""Workers that are killed, and several of them: each row has its results exactly once."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import asyncpg
from conftest import APP
from test_jobs import finished, results, send

from nexus_testkit.issuer import Issuer
from nexus_testkit.process import ServiceProcess

ROWS = 12_000


@contextmanager
def service(issuer: Issuer, settings: dict[str, object]) -> Iterator[ServiceProcess]:
    environment = {
        "NEXUS_ISSUER": issuer.url,
        "NEXUS_JWKS_URL": issuer.jwks_url,
        "NEXUS_POSTGRES_URL": str(settings["postgres_url"]),
        "NEXUS_POSTGRES_PASSWORD_FILE": str(settings["postgres_password_file"]),
        "PYTHONPATH": f"{APP}:{os.environ.get('PYTHONPATH', '')}",
    }
    process = ServiceProcess(["-m", "classification_service"], environment)
    try:
        process.wait_until_it_answers()
        yield process
    finally:
        kill(process)


def kill(process: ServiceProcess) -> None:
    """Kill the supervisor and its worker."""
    if process.process.poll() is None:
        children = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children").read_text().split()
        for pid in [process.process.pid, *map(int, children)]:
            os.kill(pid, signal.SIGKILL)
    process.process.communicate()


def client(issuer: Issuer, process: ServiceProcess) -> aiohttp.ClientSession:
    token = issuer.mint("classification-service", ["classify"])
    return aiohttp.ClientSession(process.url, headers={"Authorization": f"Bearer {token}"})


async def until_chunks(postgres_url: str, count: int) -> None:
    connection = await asyncpg.connect(postgres_url)
    async with asyncio.timeout(60):
        while await connection.fetchval("SELECT count(*) FROM job_chunks WHERE done_at IS NOT NULL") < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await connection.close()


async def test_a_job_whose_workers_are_killed_twice_has_each_row_once(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str
) -> None:
    texts = "".join(f"{number},claw hammer {number % 700}\n" for number in range(ROWS))
    with service(issuer, database_settings) as process:
        async with client(issuer, process) as session:
            _, job = await send(session, f"sku,text\n{texts}".encode())
            await until_chunks(postgres_url, 1)
    with service(issuer, database_settings):
        await until_chunks(postgres_url, 4)
    with service(issuer, database_settings) as process:
        async with client(issuer, process) as session:
            ended = await finished(session, job["id"])
            _, content = await results(session, job["id"])
    assert (ended["state"], ended["rows"]) == ("done", {"total": ROWS, "done": ROWS, "failed": 0})
    lines = content.decode().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [str(number) for number in range(ROWS)]
    assert all(line.split(",")[2] for line in lines)


async def test_several_workers_share_a_job(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str
) -> None:
    texts = "".join(f"{number},tool number {number % 3000}\n" for number in range(ROWS))
    with service(issuer, database_settings) as first, service(issuer, database_settings):
        async with client(issuer, first) as session:
            _, job = await send(session, f"sku,text\n{texts}".encode())
            await until_chunks(postgres_url, 1)
            ended = await finished(session, job["id"])
            _, content = await results(session, job["id"])
    assert ended["rows"] == {"total": ROWS, "done": ROWS, "failed": 0}
    assert [line.split(",")[0] for line in content.decode().splitlines()[1:]] == [str(n) for n in range(ROWS)]
