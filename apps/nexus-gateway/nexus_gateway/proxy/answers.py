"""Answers of services on their way to the client, with their headers as they are."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, override

import aiohttp
from starlette.responses import Response, StreamingResponse

from nexus_gateway.proxy.headers import RawHeaders

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SMALL_ANSWER_BYTES = 64 * 1024
"""Up to this size an answer is read whole: a stream costs a task group and several more turns of the event loop."""


class WholeAnswer(Response):
    """An answer that was read whole."""

    def __init__(self, content: bytes, status: int, headers: RawHeaders) -> None:
        self.body = content
        self.status_code = status
        self.background = None
        self.raw_headers = headers


class StreamedAnswer(StreamingResponse):
    """An answer that is passed on as it arrives, while `counted` is entered; it ends when the client leaves."""

    def __init__(
        self, answer: aiohttp.ClientResponse, headers: RawHeaders, counted: AbstractContextManager[None]
    ) -> None:
        super().__init__(_chunks(answer), answer.status)
        self.raw_headers = headers
        self._answer = answer
        self._counted = counted

    @override
    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        try:
            with self._counted:
                await super().__call__(scope, receive, send)
        finally:
            self._answer.close()  # a connection whose answer was read to its end is back in the pool already


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in answer.content.iter_any():
        yield chunk
