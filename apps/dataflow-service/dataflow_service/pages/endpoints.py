"""GET /pages/models and below, which the gateway serves at /pages/data/models; and /pages/static."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from starlette.exceptions import HTTPException

from dataflow_service.pages.dependencies import Pages
from dataflow_service.pages.drawing import draw
from dataflow_service.pages.rendering import PREFIX, render
from dataflow_service.pages.routing import PageRouter
from dataflow_service.records.query_parsing import check_encoding
from dataflow_service.registry import descriptions
from dataflow_service.registry.dependencies import NamedModel, RegistryOfApp
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = PageRouter()
files = Router(prefix=f"{PREFIX}/static")
_reading = [Depends(require("data:read"))]
_AFTER = "where the page before ended"


@router.get("/models", dependencies=_reading)
async def show_models(request: Request, registry: RegistryOfApp) -> Response:
    """Page of the models."""
    summaries = [descriptions.summary(model) for model in registry.models]
    return render(request, "models.html", models=summaries, drawing=draw(registry.models))


@router.get("/models/{name}", dependencies=_reading)
async def show_model(request: Request, model: NamedModel, pages: Pages) -> Response:
    """Page of a model: fields, indexes, nodes, JSON Schema, examples."""
    description = descriptions.description(model)
    return render(
        request,
        "model.html",
        model=description,
        nodes=model.nodes,
        schema=json.dumps(description["schema"], ensure_ascii=False, indent=2),
        examples=pages.examples(model),
    )


@router.get("/models/{name}/rows", dependencies=_reading)
async def show_rows(
    request: Request, model: NamedModel, pages: Pages, after: Annotated[str | None, Query(description=_AFTER)] = None
) -> Response:
    """Page with rows of a model, the newest first."""
    check_encoding(request.scope["query_string"])
    table = await cancel_on_disconnect(request, pages.newest(model, after))
    return render(request, "rows.html", model=model, table=table, is_first=after is None)


_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_HEADERS = {
    "Cache-Control": "private, max-age=300",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    tag: str


def _read(path: Path) -> _File:
    content = path.read_bytes()
    return _File(content, _TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


_FILES = {path.name: _read(path) for path in sorted(_FOLDER.iterdir())}


@files.get("/{name}", include_in_schema=False)
async def read_file(request: Request, name: str) -> Response:
    """Style sheet and script of the pages."""
    if (file := _FILES.get(name)) is None:
        raise HTTPException(404)
    headers = {**_HEADERS, "ETag": file.tag}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)
