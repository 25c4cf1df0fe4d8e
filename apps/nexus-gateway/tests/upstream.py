"""A service behind the gateway that tells what reached it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

router = APIRouter()


class Upstream(FastAPI):
    """The service; `received` is the last request to create a product."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.received: dict[str, Any] = {}
        self.stream_ended = asyncio.Event()
        self.include_router(router)


@router.get("/health")
async def health() -> dict[str, Any]:
    return {"status": "ok", "service": "dataflow-service", "version": "9.9", "checks": {"postgres": {"status": "ok"}}}


@router.post("/v1/products")
async def create(request: Request) -> Response:
    request.app.received = {"body": (await request.body()).decode(), "headers": dict(request.headers)}
    return Response(status_code=201, headers={"Location": "/v1/products/1", "Set-Cookie": "a=b", "X-Own": "1"})


@router.get("/v1/echo/{path:path}")
async def echo(request: Request, path: str) -> dict[str, Any]:
    return {
        "path": request.scope["raw_path"].decode(),
        "decoded": path,
        "query": request.scope["query_string"].decode(),
        "headers": dict(request.headers),
    }


@router.get("/v1/stream")
async def stream(request: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            for number in range(1000):
                yield f"{number}\n".encode()
                await asyncio.sleep(0.02)
        finally:
            request.app.stream_ended.set()

    return StreamingResponse(chunks(), media_type="text/plain")


@router.get("/v1/broken")
async def broken() -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError

    return StreamingResponse(chunks())


@router.get("/v1/silent")
async def silent() -> None:
    await asyncio.sleep(1)


@router.post("/v1/upload")
async def upload(request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])
