"""Tenants over HTTP."""

from typing import Annotated

from fastapi import Query

from nexus_chassis.routing import Router
from nexus_gateway.auth.dependencies import Administrator
from nexus_gateway.pagination import DEFAULT_LIMIT, Limit
from nexus_gateway.tenants.dependencies import Tenants
from nexus_gateway.tenants.models import ID_PATTERN
from nexus_gateway.tenants.schemas import NewTenant, TenantBody, TenantPage

router = Router(prefix="/v1/tenants", tags=["tenants"])


@router.get("", summary="The tenants")
async def list_tenants(
    administrator: Administrator,
    tenants: Tenants,
    after: Annotated[str, Query(pattern=rf"^$|{ID_PATTERN}")] = "",
    limit: Limit = DEFAULT_LIMIT,
) -> TenantPage:
    """Tenants by id. Administrators of the tenant `default` see all, those of another tenant see that one."""
    page = await tenants.page(administrator, after, limit)
    return TenantPage(items=[TenantBody.model_validate(tenant) for tenant in page.items], next=page.next)


@router.post("", status_code=201, summary="Create a tenant")
async def create_tenant(new: NewTenant, administrator: Administrator, tenants: Tenants) -> TenantBody:
    """Create a tenant; for administrators of the tenant `default`."""
    return TenantBody.model_validate(await tenants.create(administrator, new.id, new.name))
