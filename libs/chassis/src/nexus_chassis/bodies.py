"""Limits on request bodies that FastAPI reads whole."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

if TYPE_CHECKING:
    from starlette.types import Message, Receive


def limited_to(limit: int) -> type[APIRoute]:
    """A route class for routers whose bodies have at most `limit` bytes; a longer one is answered with 413."""

    class LimitedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handle_limited(request: Request) -> Response:
                return await handle(Request(request.scope, _counted(request.receive, limit)))

            return handle_limited

    return LimitedRoute


def _counted(receive: "Receive", limit: int) -> "Receive":
    size = 0

    async def counted() -> "Message":
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            # FastAPI passes this one on as it is; any other error while it reads a body becomes a 400
            raise HTTPException(413, f"At most {limit} bytes are taken here. Send it in parts.")
        return message

    return counted
