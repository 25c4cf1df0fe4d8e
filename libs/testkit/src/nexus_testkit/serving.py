"""A real HTTP server around an ASGI application."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, override

from uvicorn import Config, Server


class _Server(Server):
    """Leaves the signals to pytest."""

    @override
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator's own manager there
        return nullcontext()


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:  # noqa: ANN401  any ASGI application
    """Serve `app`, its lifespan included, on a free port of 127.0.0.1; gives the URL without a trailing slash."""
    websockets = "websockets-sansio" if importlib.util.find_spec("websockets") else "none"
    config = Config(
        app,
        "127.0.0.1",
        0,
        loop="asyncio",
        ws=websockets,
        log_config=None,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
