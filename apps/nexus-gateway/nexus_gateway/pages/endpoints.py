"""What pages are made of besides HTML."""

from pathlib import Path

from fastapi import Request, Response

from nexus_chassis.routing import Router
from nexus_chassis.static_files import StaticFiles

_FILES = StaticFiles(Path(__file__).parent / "static", kept_by="public")
router = Router(tags=["pages"])


@router.get("/static/{name}", summary="Style sheet, icon and scripts of the pages", response_class=Response)
async def static(request: Request, name: str) -> Response:
    """A file that pages use; it may be kept for five minutes, and has an ETag."""
    return _FILES.answer(request, name)
