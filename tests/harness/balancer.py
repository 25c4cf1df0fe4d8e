"""A TCP load balancer for tests: new connections go in turn to the replicas whose /readyz answers 200."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from typing import Any

_POLL_SECONDS = 0.5
_CONNECT_SECONDS = 1.0

Address = tuple[str, int]


class Balancer:
    """Forwards from a free port of 127.0.0.1; `ready` are the replicas that get new connections."""

    def __init__(self, replicas: Sequence[Address]) -> None:
        self.replicas = list(replicas)
        self.ready: list[Address] = []
        self.port = 0
        self._turn = count()

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"http://127.0.0.1:{self.port}"

    async def run(self, started: threading.Event, stop: asyncio.Event) -> None:
        """Serve until `stop`."""
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        watch = asyncio.create_task(self._watch())
        started.set()
        await stop.wait()
        server.close()
        await _end({watch, *asyncio.all_tasks()} - {asyncio.current_task()})

    async def _watch(self) -> None:
        while True:
            states = await asyncio.gather(*(_is_ready(replica) for replica in self.replicas))
            self.ready = [replica for replica, is_ready in zip(self.replicas, states, strict=True) if is_ready]
            await asyncio.sleep(_POLL_SECONDS)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await self._connect()
        if upstream is None:
            writer.close()
            return
        with suppress(OSError):
            await asyncio.gather(_copy(reader, upstream[1]), _copy(upstream[0], writer))
        for end in (writer, upstream[1]):
            end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to the next replica, or to another one where that refuses."""
        turn = next(self._turn)
        for offset in range(len(self.ready)):
            replica = self.ready[(turn + offset) % len(self.ready)]
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(*replica)
        return None


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel what forwards and watches, which closes its connections."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0.1)  # in which the event loop closes the sockets


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def _is_ready(replica: Address) -> bool:
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(*replica)
            with closing(writer):
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).split()[1:2] == [b"200"]
    return False


@contextmanager
def balancing(replicas: Sequence[Address]) -> Iterator[Balancer]:
    """Run a balancer in a thread of its own."""
    balancer, started, stop = Balancer(replicas), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(balancer.run(started, stop),))
    thread.start()
    started.wait()
    try:
        yield balancer
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
