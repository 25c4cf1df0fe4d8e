"""What administrators may see and change.

Those of the tenant `default` administer the platform: every tenant, and what all tenants share. Those of another tenant
see and change only what belongs to it.
"""

from dataclasses import dataclass

from nexus_chassis.tokens import Principal

DEFAULT_TENANT = "default"
"""The tenant that everybody belongs to unless another one is named."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who administers, and from where. Without a principal it is the operator, at the command line."""

    principal: Principal | None = None
    address: str | None = None

    @property
    def tenant(self) -> str | None:
        """The one tenant whose users they may see and change; None for every tenant."""
        if self.principal is None or self.principal.tenant == DEFAULT_TENANT:
            return None
        return self.principal.tenant or ""  # no tenant is called so: a token without one administers nothing


COMMAND_LINE = Administrator()
"""The operator, who may do what an administrator of the platform may."""
