"""What the tenant endpoints depend on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_gateway.context import get_context
from nexus_gateway.tenants.service import TenantService


async def get_tenant_service(connection: HTTPConnection) -> TenantService:
    """The application's tenant service."""
    return (await get_context(connection)).administration.tenants


Tenants = Annotated[TenantService, Depends(get_tenant_service)]
