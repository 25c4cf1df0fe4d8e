"""Whose tools a request is about."""

from nexus_chassis.channels import DEFAULT_TENANT
from nexus_chassis.principal import Principal


def tenant_of(principal: Principal) -> str:
    """Return the tenant whose tools a principal may call."""
    return principal.tenant or DEFAULT_TENANT
