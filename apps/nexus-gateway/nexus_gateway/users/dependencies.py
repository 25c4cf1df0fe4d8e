"""What the user endpoints depend on."""

import re
from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import HTTPConnection

from nexus_gateway.context import get_context
from nexus_gateway.users.password_service import PasswordService
from nexus_gateway.users.service import UserService, Versions

_TAG = re.compile(r'"([0-9]{1,9})"')


async def get_user_service(connection: HTTPConnection) -> UserService:
    """The application's user service."""
    return (await get_context(connection)).administration.users


async def get_password_service(connection: HTTPConnection) -> PasswordService:
    """The application's password service."""
    return (await get_context(connection)).administration.passwords


async def get_versions(
    if_match: Annotated[str | None, Header(description="the ETag of the user as they were read")] = None,
) -> Versions:
    """The versions in If-Match (RFC 9110 section 13.1.1); None without it, or with `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (_TAG.fullmatch(tag.strip()) for tag in if_match.split(","))
    return {int(tag[1]) for tag in tags if tag is not None}


Users = Annotated[UserService, Depends(get_user_service)]
PasswordsOfUsers = Annotated[PasswordService, Depends(get_password_service)]
WantedVersions = Annotated[Versions, Depends(get_versions)]
