"""Bodies of the tenant endpoints."""

from pydantic import BaseModel, ConfigDict, Field

from nexus_chassis.schemas import RequestModel
from nexus_gateway.tenants.models import ID_PATTERN, MAX_NAME


class NewTenant(RequestModel):
    """A tenant to be created; tokens name it by its `id`, which never changes."""

    id: str = Field(pattern=ID_PATTERN)
    name: str = Field(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")


class TenantBody(BaseModel):
    """A tenant. `created_at` is in seconds since 1970."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    created_at: int


class TenantPage(BaseModel):
    """Tenants by id; `next` is the `after` of the page that follows, null at the end."""

    items: list[TenantBody]
    next: str | None
