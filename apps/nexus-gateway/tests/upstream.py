"""A service behind the gateway that reports what reached it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from nexus_chassis.admission import Admission
from nexus_chassis.drain import Drain
from nexus_chassis.health import Health
from nexus_chassis.limits import Limits
from nexus_chassis.runtime import Runtime

router = APIRouter()


class Upstream(FastAPI):
    """The service; `received` is the last request to create a product.

    `bulk_bytes` have arrived of streams, which are read while `reading` is set; `bulk_broken` counts those without an end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.state.runtime = Runtime(
            health=Health("upstream", "9.9"),
            admission=Admission(Limits()),
            drain=Drain(),
        )
        self.url = ""
        self.received: dict[str, Any] = {}
        self.stream_ended = asyncio.Event()
        self.wait_began = asyncio.Event()
        self.wait_ended = asyncio.Event()
        self.bulk_bytes = 0
        self.bulk_broken = 0
        self.reading = asyncio.Event()
        self.reading.set()
        self.include_router(router)


@router.get("/health")
async def health() -> dict[str, Any]:
    return {"status": "ok", "service": "dataflow-service", "version": "9.9", "checks": {"postgres": {"status": "ok"}}}


@router.post("/v1/products")
async def create(request: Request) -> Response:
    request.app.received = {"body": (await request.body()).decode(), "headers": dict(request.headers)}
    return Response(status_code=201, headers={"Location": "/v1/products/1", "Set-Cookie": "a=b", "X-Own": "1"})


@router.post("/v1/refused", status_code=403)
async def refuse() -> None:
    """Refuses everybody."""


@router.get("/v1/echo/{path:path}")
async def echo(request: Request, path: str) -> dict[str, Any]:
    return {
        "path": request.scope["raw_path"].decode(),
        "decoded": path,
        "query": request.scope["query_string"].decode(),
        "headers": dict(request.headers),
        "raw_headers": [[name.decode(), value.decode()] for name, value in request.headers.raw],
    }


@router.get("/pages/{path:path}")
async def page(request: Request, path: str) -> Response:
    request.app.received = {"path": request.scope["raw_path"].decode(), "headers": dict(request.headers)}
    if path == "moved":
        return Response(status_code=302, headers={"Location": "/pages/models"})
    policy = {"Content-Security-Policy": "default-src 'none'"} if path == "strict" else {}
    return Response("<h1>Models</h1>", headers={"Set-Cookie": "a=b", **policy}, media_type="text/html")


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


@router.get("/v1/wait")
async def wait(request: Request) -> None:
    """Ends when the client leaves, and never answers before."""
    request.app.wait_began.set()
    while not await request.is_disconnected():  # noqa: ASYNC110  Starlette has no event for it
        await asyncio.sleep(0.02)
    request.app.wait_ended.set()


@router.get("/v1/repeated")
async def repeated() -> Response:
    response = Response("{}", 200, media_type="application/json")
    for name, value in (
        ("Link", "</a>; rel=next"),
        ("Link", "</b>; rel=last"),
        ("Vary", "Accept"),
        ("Vary", "Origin"),
        ("WWW-Authenticate", "Bearer"),
        ("WWW-Authenticate", "Basic"),
    ):
        response.headers.append(name, value)
    return response


@router.get("/v1/location")
async def location(request: Request, to: str) -> Response:
    return Response(status_code=201, headers={"Location": to.replace("OWN", request.app.url)})


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


@router.post("/v1/{model}/bulk", status_code=201)
async def bulk(request: Request, model: str, response: Response, answer_after: float = 0) -> str:
    if model == "refused":
        response.status_code = 422
        return "refused"
    try:
        async for part in request.stream():
            request.app.bulk_bytes += len(part)
            await request.app.reading.wait()
    except ClientDisconnect:
        request.app.bulk_broken += 1
    await asyncio.sleep(answer_after)
    return "written"


@router.get("/v1/product/export")
async def export(parts: int) -> StreamingResponse:
    async def content() -> AsyncIterator[bytes]:
        for _ in range(parts):
            yield bytes(65536)

    return StreamingResponse(content(), media_type="application/x-ndjson")
