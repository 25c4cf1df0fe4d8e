"""The answer of an export."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, override

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dataflow_service.bulk.encoding import Format
from dataflow_service.records.repository import Row
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.limits import KIB

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PART_BYTES = 64 * KIB
PART_SECONDS = 30.0
"""How long a client may take for a part of the answer, before it is taken for one that has left."""


class ExportAnswer(Response):
    """Sends rows as they are read. It begins once the first are there, so that what is wrong with the query is a problem."""

    def __init__(
        self,
        rows: AbstractAsyncContextManager[AsyncIterator[Sequence[Row]]],
        written: Format,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers=headers, media_type=written.media_type)
        del self.headers["content-length"]
        self._rows = rows
        self._format = written

    @override
    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        only_head = scope["method"] == "HEAD"
        await cancel_on_disconnect(Request(scope, receive), self._send(send, only_head=only_head))

    async def _send(self, send: "Send", *, only_head: bool) -> None:
        async with self._rows as batches:
            first = await anext(batches)
            content = self._format.head + self._format.encode(first)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if not only_head:
                await _send_parts(send, content)
                async for rows in batches:
                    await _send_parts(send, self._format.encode(rows))
                await _send_parts(send, self._format.end())
        await send({"type": "http.response.body", "body": b""})


async def _send_parts(send: "Send", content: bytes) -> None:
    for start in range(0, len(content), PART_BYTES):
        part = content[start : start + PART_BYTES]
        try:
            async with asyncio.timeout(PART_SECONDS):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except TimeoutError:
            raise ClientDisconnect from None
