"""Answers of services on their way to the client, with their headers as they are."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, override

import aiohttp
from starlette.responses import Response, StreamingResponse

from nexus_gateway.proxy.headers import RawHeaders
from nexus_gateway.proxy.upstreams import Upstream

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SMALL_ANSWER_BYTES = 64 * 1024
"""Up to this size an answer is read whole: a stream costs a task group and several more turns of the event loop."""

_log = logging.getLogger(__name__)


class WholeAnswer(Response):
    """An answer that was read whole."""

    def __init__(self, content: bytes, status: int, headers: RawHeaders) -> None:
        self.body = content
        self.status_code = status
        self.background = None
        self.raw_headers = headers


class StreamedAnswer(StreamingResponse):
    """An answer that is passed on as it arrives, while `counted` is entered; it ends when the client leaves.

    When the service breaks off, so does the answer to the client: its end is left out, and the server then closes the
    connection.
    """

    def __init__(
        self,
        answer: aiohttp.ClientResponse,
        headers: RawHeaders,
        counted: AbstractContextManager[None],
        upstream: Upstream,
    ) -> None:
        super().__init__(self._chunks(answer), answer.status)
        self.raw_headers = headers
        self._answer = answer
        self._counted = counted
        self._upstream = upstream

    @override
    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        try:
            with self._counted:
                await super().__call__(scope, receive, send)
        except aiohttp.ClientError as error:
            self._upstream.cut()
            _log.warning("the answer to %s %s broke off: %s", scope["method"], scope["path"], error)
        finally:
            self._answer.close()  # a connection whose answer was read to its end is back in the pool already

    @staticmethod
    async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        async for chunk in answer.content.iter_any():
            yield chunk
