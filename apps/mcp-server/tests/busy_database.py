"""A service behind a tool whose database works for as long as a call lasts."""

import asyncio
import time

import asyncpg
from aiohttp import web

LOOPS = 150_000_000  # 1.7 s
WORK = "DO $$ BEGIN FOR i IN 1..{} LOOP NULL; END LOOP; END $$ -- work of a tool"
"""CPU of PostgreSQL and nothing else: as long as it is active, it costs."""

RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO $$%work of a tool' AND datname = current_database()"
AFTER_SECONDS = 0.05


class Database:
    """PostgreSQL, as the service behind the tool uses it; `busy` are the seconds that its statements took."""

    def __init__(self, url: str, watching: asyncpg.Pool) -> None:
        self._url = url
        self._watching = watching
        self.busy: list[float] = []
        self.loops = LOOPS

    async def work(self, _request: web.Request) -> web.StreamResponse:
        """Answer a page of products after a statement, which ends with the request."""
        connection = await asyncpg.connect(self._url)
        started = time.monotonic()
        try:
            await connection.execute(WORK.format(self.loops))
        finally:
            while await self.statements():  # noqa: ASYNC110  it runs in PostgreSQL
                await asyncio.sleep(0.001)
            self.busy.append(time.monotonic() - started)
            connection.terminate()
        return web.json_response({"items": [], "next": None})

    async def statements(self) -> int:
        """How many of these statements run."""
        return int(await self._watching.fetchval(RUNNING))


async def until_it_runs(database: Database) -> None:
    """Return AFTER_SECONDS after such a statement has begun."""
    async with asyncio.timeout(10):
        while not await database.statements():  # noqa: ASYNC110  it runs in PostgreSQL
            await asyncio.sleep(0.002)
    await asyncio.sleep(AFTER_SECONDS)
