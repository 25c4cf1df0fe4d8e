"""The runner: takes runs from mcp-server, a connection each, and runs each in a confined process of its own.

It has no secret and reaches no other service: who connects is limited by the network. A connection that ends cancels
its run.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mcp_server.runner import sandbox, wire
from mcp_server.runner.errors import ForkServerGoneError, SandboxUnavailableError
from mcp_server.runner.forks import ForkServer, fork_server
from mcp_server.runner.run import execute

_START_SECONDS = 10
_RESTART_SECONDS = 1
_HEARTBEAT_SECONDS = 1
_log = logging.getLogger(__name__)


class Runner:
    """Runs at most `processes` workflows at once; the others wait in their order."""

    def __init__(self, processes: int) -> None:
        self._room = asyncio.Semaphore(processes)
        self._forks: ForkServer | None = None
        self._ready = asyncio.Event()
        self._unavailable: SandboxUnavailableError | None = None

    @property
    def is_ready(self) -> bool:
        """Whether a run would start now."""
        return self._ready.is_set()

    async def keep_forks(self) -> None:
        """Keep the process that runs are forked from; start it again when it ends."""
        try:
            sandbox.check()
        except SandboxUnavailableError as error:
            _log.error("%s Every run is refused.", error)
            self._unavailable = error
            self._ready.set()
            await asyncio.get_running_loop().create_future()
        while True:
            with suppress(ForkServerGoneError):
                async with fork_server() as self._forks:
                    self._ready.set()
                    await self._forks.gone
            self._ready.clear()
            _log.error("the process that starts runs ended: starting it again")
            await asyncio.sleep(_RESTART_SECONDS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run what a connection asks for, and close it."""
        try:
            outcome = await self._run(reader, writer)
            if outcome is not None:
                writer.write(wire.encode(outcome))
                await writer.drain()
        except (ConnectionError, wire.UnreadableMessageError, TimeoutError, ValueError) as error:
            _log.warning("a connection ended without a run's outcome: %s", error)
        finally:
            await _close(writer)

    async def _run(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> wire.Finished | wire.Failed | None:
        """The outcome; None when the connection ended first."""
        async with asyncio.timeout(_START_SECONDS):
            line = await reader.readline()
        if not line:
            return None  # a health check
        start = wire.decode_from_server(line)
        if not isinstance(start, wire.Start):
            raise wire.UnreadableMessageError("the first message is not Start")
        answers: asyncio.Queue[wire.Answer] = asyncio.Queue()
        running = asyncio.create_task(self._execute(start, answers, writer))
        listening = asyncio.create_task(_listen(reader, answers))
        try:
            await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED)
            return running.result() if running.done() else None
        finally:
            for task in (running, listening):
                task.cancel()
            await asyncio.wait({running, listening})

    async def _execute(
        self, start: wire.Start, answers: asyncio.Queue[wire.Answer], writer: asyncio.StreamWriter
    ) -> wire.Finished | wire.Failed:
        async def send(message: wire.Call | wire.Log) -> None:
            writer.write(wire.encode(message))
            await writer.drain()

        async with self._room:
            await self._ready.wait()
            if self._unavailable is not None or self._forks is None:
                return wire.Failed(reason="sandbox-unavailable", detail=str(self._unavailable))
            try:
                return await execute(start, self._forks, _each(answers), send)
            except ForkServerGoneError as error:
                return wire.Failed(reason="runner", detail=str(error))


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _listen(reader: asyncio.StreamReader, answers: asyncio.Queue[wire.Answer]) -> None:
    """Take in the answers, until the connection ends or what comes is none."""
    with suppress(ConnectionError, ValueError, wire.UnreadableMessageError):
        while line := await reader.readline():
            if isinstance(message := wire.decode_from_server(line), wire.Answer):
                answers.put_nowait(message)


async def _each(answers: asyncio.Queue[wire.Answer]) -> AsyncIterator[wire.Answer]:
    while True:
        yield await answers.get()


async def _beat(runner: Runner, heartbeat: Path) -> None:
    """Touch the file that the health probe looks at, while runs can start."""
    while True:
        if runner.is_ready:
            await asyncio.to_thread(heartbeat.touch)
        await asyncio.sleep(_HEARTBEAT_SECONDS)


@asynccontextmanager
async def serving(runner: Runner, host: str, port: int, heartbeat: Path) -> AsyncIterator[asyncio.Server]:
    """Serve runs while the block runs."""
    server = await asyncio.start_server(runner.serve, host, port, limit=wire.MAX_LINE_BYTES)
    background = [asyncio.create_task(runner.keep_forks()), asyncio.create_task(_beat(runner, heartbeat))]
    try:
        yield server
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()
        for task in background:
            task.cancel()
        await asyncio.wait(background)
