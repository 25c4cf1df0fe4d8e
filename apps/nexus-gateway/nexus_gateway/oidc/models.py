"""What external login is made of."""

from dataclasses import dataclass
from typing import Any

_MAX_EMAIL = 254


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider as the login page offers it."""

    label: str
    path: str


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A login that was begun here and is going on at a provider. `next` is the path to go to afterwards."""

    provider: str
    issuer: str
    nonce: str
    code_verifier: str
    next: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody whom a provider has signed in, with what it says of them."""

    issuer: str
    subject: str
    claims: dict[str, Any]

    @property
    def verified_email(self) -> str | None:
        """The e-mail address, if the provider has made sure that it is theirs."""
        email = self.text("email")
        is_verified = self.claims.get("email_verified") is True
        return email if is_verified and "@" in email and len(email) <= _MAX_EMAIL else None

    def text(self, claim: str) -> str:
        """A claim that is a text; empty for one that is missing or anything else."""
        value = self.claims.get(claim)
        return value if isinstance(value, str) and value.isprintable() else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser brings from a provider: the query of the callback's address, each parameter once."""

    state: str = ""
    code: str = ""
    iss: str | None = None
    error: str = ""
    error_description: str = ""
