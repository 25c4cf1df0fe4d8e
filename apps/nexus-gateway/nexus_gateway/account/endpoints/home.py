"""The start page."""

from fastapi import Request, Response

from nexus_gateway.account.dependencies import CurrentUser
from nexus_gateway.pages.rendering import render
from nexus_gateway.pages.routing import PageRouter

router = PageRouter()


@router.get("/", summary="Start page")
async def home(request: Request, user: CurrentUser) -> Response:
    """Where a signed-in user can go from here."""
    return render(request, "account/templates/home.html", user=user, scopes=sorted(user.scopes))
