"""Who makes changes, as the change log has it."""

from dataclasses import dataclass
from typing import Self

from pydantic_core import to_json

from nexus_chassis.channels import DEFAULT_TENANT
from nexus_chassis.principal import Principal


def tenant_of(principal: Principal) -> str:
    """Return the tenant whose rows a principal reads and writes."""
    return principal.tenant or DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Author:
    """The tenant of a principal, and the principal itself as a JSON object."""

    tenant: str
    document: str

    @classmethod
    def of(cls, principal: Principal) -> Self:
        """Return the author whose changes a principal makes."""
        document = {
            "subject": principal.subject,
            "client_id": principal.client_id,
            "token_id": principal.token_id,
            "session": principal.session,
            "actor": principal.actor,
        }
        return cls(tenant_of(principal), to_json(document).decode())

    @property
    def parameters(self) -> tuple[str, str]:
        """The last two parameters of statements that write."""
        return self.tenant, self.document
