"""What is known of an authenticated request."""

from dataclasses import dataclass

from nexus_chassis.tokens import Principal
from nexus_gateway.auth.session_gate import SessionState


@dataclass(frozen=True, slots=True)
class Access:
    """An authenticated request: who sends it, and the session that its token belongs to."""

    principal: Principal
    session: SessionState | None
