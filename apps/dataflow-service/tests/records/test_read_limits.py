"""A read ends: after its time, and when its client leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest
from answers import problem
from conftest import MakeSettings, serving_client

from dataflow_service.records import repository

READS = [("GET", "/v1/product"), ("GET", "/v1/product/count"), ("POST", "/v1/product/query")]
AGGREGATE = {"aggregates": {"count": "*"}}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND wait_event_type = 'Lock'"


@asynccontextmanager
async def _locked(database: asyncpg.Connection) -> AsyncIterator[None]:
    async with database.transaction():
        await database.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        yield


async def _until(database: asyncpg.Connection, waiting: int) -> None:
    async with asyncio.timeout(20):
        while await database.fetchval(WAITING) != waiting:  # noqa: ASYNC110 - PostgreSQL reports no event
            await asyncio.sleep(0.02)


@pytest.fixture
async def impatient(make_settings: MakeSettings, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with one connection, whose reads may take 0.3 s."""
    async with serving_client(make_settings(postgres_pool_size=1, read_seconds=0.3), token) as client:
        yield client


async def test_a_read_that_takes_too_long_is_ended_and_explained(
    impatient: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async with _locked(database):
        for method, path in READS:
            response = await impatient.request(method, path, json=AGGREGATE if method == "POST" else None)
            assert (response.status, await problem(response)) == (
                503,
                {
                    "type": "urn:nexus:problem:query-timeout",
                    "title": "The query takes too long",
                    "status": 503,
                    "detail": "PostgreSQL ended the query: it may run for 0.3 s. Narrow it with a filter on an indexed "
                    "field, order it by such a field, or try again when there is less to do.",
                },
            )
        assert await database.fetchval(WAITING) == 0


async def test_the_time_of_reads_is_not_that_of_writes_on_the_same_connection(
    impatient: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async with _locked(database):
        assert (await impatient.get("/v1/product")).status == 503
        write = asyncio.create_task(impatient.post("/v1/product", json={"name": "x"}))
        await asyncio.sleep(0.6)
        assert not write.done()
    assert (await write).status == 201
    assert (await impatient.get("/v1/product")).status == 200


@pytest.mark.parametrize(("method", "path"), READS)
async def test_a_client_that_leaves_ends_its_statement(
    client: aiohttp.ClientSession, database: asyncpg.Connection, method: str, path: str
) -> None:
    async with _locked(database):
        request = asyncio.create_task(client.request(method, path, json=AGGREGATE if method == "POST" else None))
        await _until(database, 1)
        request.cancel()
        await _until(database, 0)  # long before the time of reads is over
    assert (await client.get("/v1/product")).status == 200


async def test_what_runs_in_a_read_cannot_write(service: str, database: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with repository.reading(database, 10):
            await database.execute("INSERT INTO products (name) VALUES ('x')")
    await database.execute("ROLLBACK")
    assert await database.fetchval("SELECT count(*) FROM products") == 0, service
