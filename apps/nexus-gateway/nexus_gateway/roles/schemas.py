"""Bodies of the role endpoints."""

from typing import Annotated

from pydantic import BaseModel, Field

from nexus_chassis.schemas import RequestModel
from nexus_gateway.roles.models import NAME_PATTERN, Role

RoleName = Annotated[str, Field(pattern=NAME_PATTERN)]
"""The name of a role, as a parameter or an argument."""


class RoleScopes(RequestModel):
    """What a role allows. The scope `admin` comes with the role `admin` alone."""

    scopes: list[Annotated[str, Field(max_length=128)]] = Field(max_length=100)


class RoleBody(BaseModel):
    """A role with its scopes, in alphabetical order."""

    name: str
    scopes: list[str]

    @classmethod
    def of(cls, role: Role) -> "RoleBody":
        """The body of a role."""
        return cls(name=role.name, scopes=sorted(role.scopes))


class RolePage(BaseModel):
    """Roles by name; `next` is the `after` of the page that follows, null at the end."""

    items: list[RoleBody]
    next: str | None
