"""The services' own HTTP server around an application, in the event loop of the test."""

import asyncio
import importlib.util
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import override

from fastapi import FastAPI
from uvicorn import Config, Server

from nexus_chassis.protocol import ConnectionState
from nexus_chassis.runtime import runtime_of
from nexus_chassis.supervisor import server_options

_TICK_SECONDS = 0.1
_LOOK_SECONDS = 0.002
_SHUTDOWN_SECONDS = 5


class _Server(Server):
    """Leaves the signals to pytest, and ends at once: uvicorn's own takes 0.2 s to see that nothing is left."""

    def __init__(self, config: Config, state: ConnectionState) -> None:
        super().__init__(config)
        self.server_state = state
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin to end."""
        self.should_exit = True
        self._stopping.set()

    @override
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator's own manager there
        return nullcontext()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # would end the event loop, and leave behind what fixtures have made
            raise RuntimeError("the application did not start: its error is in the log") from None

    @override
    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(_SHUTDOWN_SECONDS):
                await self._finish_requests()
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()

    async def _finish_requests(self) -> None:
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def serving(app: FastAPI, *, max_frame_bytes: int = 65536) -> AsyncIterator[str]:
    """Serve `app`, its lifespan included, on a free port of 127.0.0.1; yields the URL without a trailing slash.

    It drains at the end, as after SIGTERM, so that answers that wait for something come at once.
    """
    websockets = importlib.util.find_spec("websockets") is not None
    options = server_options(websockets=websockets, max_frame_bytes=max_frame_bytes)
    config = Config(app, "127.0.0.1", 0, log_config=None, **options)
    server = _Server(config, ConnectionState(runtime_of(app).drain))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        runtime_of(app).drain.start()
        server.stop()
        await task
