"""What the endpoint of the audit is given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.audit.service import Audit
from dataflow_service.context import ContextOfApp
from nexus_chassis.principal import Principal
from nexus_chassis.tokens import require


async def get_audit(context: ContextOfApp) -> Audit:
    """Return the audit of changes."""
    return context.audit


AuditOfApp = Annotated[Audit, Depends(get_audit)]
Auditor = Annotated[Principal, Depends(require("data:admin"))]
