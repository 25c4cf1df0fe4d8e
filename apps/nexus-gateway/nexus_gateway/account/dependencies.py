"""What the pages of the account depend on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_chassis.tokens import unauthorized
from nexus_gateway.account.service import Account
from nexus_gateway.auth.browsers import Browsers, BrowserUser
from nexus_gateway.auth.dependencies import get_browser_user
from nexus_gateway.context import get_context


async def get_account(connection: HTTPConnection) -> Account:
    """The services of the account."""
    return (await get_context(connection)).account


async def get_browsers(connection: HTTPConnection) -> Browsers:
    """The browsers that are signed in."""
    return (await get_context(connection)).browsers


async def get_user(connection: HTTPConnection) -> BrowserUser:
    """Who is signed in at the browser; raises Problem 401 for a stranger, who is then led to the login page."""
    if (user := await get_browser_user(connection)) is None:
        raise unauthorized()
    return user


AccountServices = Annotated[Account, Depends(get_account)]
SignedInBrowsers = Annotated[Browsers, Depends(get_browsers)]
CurrentUser = Annotated[BrowserUser, Depends(get_user)]
