"""Errors of tenants."""


class TenantExistsError(Exception):
    """There is a tenant with this id already."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        super().__init__(f"the tenant {tenant} exists")
