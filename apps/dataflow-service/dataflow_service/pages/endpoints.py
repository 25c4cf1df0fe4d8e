"""GET /pages/models and below, which the gateway serves at /pages/data/models; and /pages/static."""

import json
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from dataflow_service.pages.dependencies import Pages
from dataflow_service.pages.drawing import draw
from dataflow_service.records.dependencies import Reader
from dataflow_service.records.query_parsing import check_encoding
from dataflow_service.registry import descriptions
from dataflow_service.registry.dependencies import NamedModel, RegistryOfApp
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.pages.service_pages import ServicePages, files_router
from nexus_chassis.tokens import require

_FOLDER = Path(__file__).parent
_pages = ServicePages(_FOLDER / "templates")
router = _pages.router()
files = files_router(_FOLDER / "static")
_reading = [Depends(require("data:read"))]
_AFTER = "where the page before ended"


@router.get("/models", dependencies=_reading)
async def show_models(request: Request, registry: RegistryOfApp) -> Response:
    """Page of the models."""
    summaries = [descriptions.summary(model) for model in registry.models]
    return _pages.render(request, "models.html", models=summaries, drawing=draw(registry.models))


@router.get("/models/{name}", dependencies=_reading)
async def show_model(request: Request, model: NamedModel, pages: Pages) -> Response:
    """Page of a model: fields, indexes, nodes, JSON Schema, examples."""
    description = descriptions.description(model)
    return _pages.render(
        request,
        "model.html",
        model=description,
        nodes=model.nodes,
        schema=json.dumps(description["schema"], ensure_ascii=False, indent=2),
        examples=pages.examples(model),
    )


@router.get("/models/{name}/rows")
async def show_rows(
    request: Request,
    principal: Reader,
    model: NamedModel,
    pages: Pages,
    *,
    search: Annotated[str | None, Query(description="what is searched; nothing is all rows")] = None,
    after: Annotated[str | None, Query(description=_AFTER)] = None,
) -> Response:
    """Page with rows of a model, the newest first, or those that a search finds."""
    check_encoding(request.scope["query_string"])
    sought = search or None
    table = await cancel_on_disconnect(request, pages.rows(principal, model, sought, after))
    return _pages.render(request, "rows.html", model=model, table=table, search=sought, is_first=after is None)
