"""The services' own HTTP server around an application, in the event loop of the test."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import override

from fastapi import FastAPI
from uvicorn import Config, Server

from nexus_chassis.protocol import ConnectionState
from nexus_chassis.runtime import runtime_of
from nexus_chassis.supervisor import server_options


class _Server(Server):
    """Leaves the signals to pytest."""

    @override
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator's own manager there
        return nullcontext()


@asynccontextmanager
async def serving(app: FastAPI, *, max_frame_bytes: int = 65536) -> AsyncIterator[str]:
    """Serve `app`, its lifespan included, on a free port of 127.0.0.1; yields the URL without a trailing slash.

    It drains at the end, as after SIGTERM, so that answers that wait for something come at once.
    """
    websockets = importlib.util.find_spec("websockets") is not None
    options = server_options(websockets=websockets, max_frame_bytes=max_frame_bytes)
    server = _Server(Config(app, "127.0.0.1", 0, log_config=None, timeout_graceful_shutdown=5, **options))
    server.server_state = ConnectionState(runtime_of(app).drain)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        runtime_of(app).drain.start()
        server.should_exit = True
        await task
