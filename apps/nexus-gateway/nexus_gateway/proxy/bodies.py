"""Request bodies on their way to a service."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from nexus_chassis.admission import body_too_large
from nexus_chassis.limits import SMALL_BODY_BYTES
from nexus_chassis.problems import Problem


class RequestBody:
    """A body that was received up to SMALL_BODY_BYTES; what is longer is streamed.

    A client that sends slowly keeps no connection to the service for a small body.
    """

    def __init__(self, request: Request, limit: int) -> None:
        self._parts = request.stream()
        self._limit = limit
        self._start = bytearray()
        self.received = asyncio.Event()
        self.fault: Exception | None = None

    @classmethod
    async def receive(cls, request: Request, limit: int) -> "RequestBody | None":
        """The body; None for a request without one. Raises Problem 413, or ClientDisconnect."""
        headers = dict(request.scope["headers"])
        length = headers.get(b"content-length")
        if length is None and b"transfer-encoding" not in headers:
            return None
        if length is not None and int(length) > limit:
            raise body_too_large(limit)
        body = cls(request, limit)
        await body._receive_start()
        return body

    async def _receive_start(self) -> None:
        async for part in self._parts:
            self._add(part)
            if len(self._start) > SMALL_BODY_BYTES:
                return
        self.received.set()

    def _add(self, part: bytes) -> None:
        self._start += part
        if len(self._start) > self._limit:
            raise body_too_large(self._limit)

    @property
    def is_whole(self) -> bool:
        """Whether all of the body was received."""
        return self.received.is_set()

    def data(self) -> bytes | AsyncIterator[bytes]:
        """What to send: the whole body, or a stream of it."""
        return bytes(self._start) if self.is_whole else self._stream()

    async def _stream(self) -> AsyncIterator[bytes]:
        """The parts; a fault is kept in `fault`, because aiohttp reports only that sending failed."""
        size = len(self._start)
        yield bytes(self._start)
        try:
            async for part in self._parts:
                size += len(part)
                if size > self._limit:
                    raise body_too_large(self._limit)
                yield part
        except (Problem, ClientDisconnect) as fault:
            self.fault = fault
            raise
        self.received.set()
