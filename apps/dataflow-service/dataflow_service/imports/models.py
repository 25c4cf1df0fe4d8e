"""Parts of imports."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dataflow_service.records.author import tenant_of
from dataflow_service.registry.model import Model
from nexus_chassis.principal import Principal


@dataclass(frozen=True, slots=True)
class Import:
    """An import of rows of a model. Its id was chosen by its owner, a subject of a tenant."""

    tenant: str
    subject: str
    model: str
    id: str

    @classmethod
    def of(cls, principal: Principal, model: Model, import_id: str) -> "Import":
        """Return the import of a principal."""
        return cls(tenant_of(principal), principal.subject, model.path, import_id)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The first parameters of every statement."""
        return self.tenant, self.subject, self.model, self.id


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is in. `sent_as` has its media type and operation, `counts` the rows that were changed in each way."""

    part: int
    at: datetime
    sent_as: str
    size: int
    sha256: bytes
    counts: Mapping[str, int]
