"""The start page."""

from fastapi import Request, Response

from nexus_gateway.account.dependencies import CurrentUser
from nexus_gateway.context import ContextOfApp
from nexus_gateway.pages.rendering import render
from nexus_gateway.pages.routing import PageRouter

router = PageRouter()


@router.get("/", summary="Start page")
async def home(request: Request, user: CurrentUser, context: ContextOfApp) -> Response:
    """Where a signed-in user can go from here."""
    pages = context.route_table.pages_for(user.scopes)
    return render(request, "account/templates/home.html", user=user, scopes=sorted(user.scopes), pages=pages)
