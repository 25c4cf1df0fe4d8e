"""Who a request acts for."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Principal:
    """Who a verified access token speaks for. `expires_at` is in seconds since 1970."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    token: str
    expires_at: int
    token_id: str
    session: str | None = None
    """Id of the session that the token belongs to (claim `sid`); None for the token of a service itself."""
    session_epoch: int = 0
    """Claim `session_epoch`: all tokens of a subject with a lower one end together."""
    actor: tuple[str, ...] = ()
    """Who acts for the subject (claim `act`, RFC 8693 section 4.1), the current actor first."""
    tenant: str | None = None
    key_id: str = field(default="", compare=False)
    """Id of the key that signed the token."""
