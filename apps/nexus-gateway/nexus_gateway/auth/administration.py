"""Who administers what.

Administrators of the tenant `default` administer the platform: every tenant, and what all tenants share. Those of another
tenant see and change only what belongs to it.
"""

from dataclasses import dataclass
from typing import Self

from nexus_chassis.tokens import Principal
from nexus_gateway.auth.errors import PlatformOnlyError

DEFAULT_TENANT = "default"
"""The tenant that everybody belongs to unless another one is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who requests a change, and from where."""

    subject: str | None = None
    actors: tuple[str, ...] = ()
    client_id: str | None = None
    tenant: str | None = None
    session: str | None = None
    address: str | None = None

    @classmethod
    def of(cls, principal: Principal, address: str) -> Self:
        """The principal of a request that came from an address."""
        return cls(
            subject=principal.subject,
            actors=principal.actor,
            client_id=principal.client_id,
            tenant=principal.tenant,
            session=principal.session,
            address=address,
        )

    @property
    def administered_tenant(self) -> str | None:
        """The one tenant whose users an administrator may see and change; None for all tenants."""
        return None if self.tenant == DEFAULT_TENANT else self.tenant or ""  # a token without a tenant: none at all

    def require_platform(self) -> None:
        """Raise PlatformOnlyError unless the requester administers the platform."""
        if self.administered_tenant is not None:
            raise PlatformOnlyError


OPERATOR = Requester(client_id="command-line", tenant=DEFAULT_TENANT)
"""Who uses the command line: may do what an administrator of the platform may."""
