"""Listing and creating tenants."""

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.auth.administration import Requester
from nexus_gateway.pagination import Slice, cut
from nexus_gateway.tenants.errors import TenantExistsError
from nexus_gateway.tenants.models import Tenant
from nexus_gateway.tenants.repository import TenantRepository


class TenantService:
    """The tenants of the platform. Administrators of one that is not `default` see only their own."""

    def __init__(self, database: Database, tenants: TenantRepository, changes: ChangeLog) -> None:
        self._database = database
        self._tenants = tenants
        self._changes = changes

    async def page(self, requester: Requester, after: str, limit: int) -> Slice[Tenant]:
        """The tenants that the requester may see whose ids come after `after`."""
        async with self._database.read() as connection:
            found = await self._tenants.page(connection, after, limit + 1, only=requester.administered_tenant)
        return cut(found, limit, lambda tenant: tenant.id)

    async def create(self, requester: Requester, tenant_id: str, name: str) -> Tenant:
        """A new tenant; raises PlatformOnlyError or TenantExistsError."""
        requester.require_platform()
        async with self._database.unit_of_work() as unit:
            tenant = await self._tenants.create(unit.connection, tenant_id, name)
            if tenant is None:
                raise TenantExistsError(tenant_id)
            await self._changes.record(unit, requester, "tenant.create", tenant_id, name=name)
        return tenant
