"""Bodies of the token endpoints."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from nexus_chassis.schemas import RequestModel

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  RFC 8693's name


class GrantType(StrEnum):
    """The grants of the token endpoint."""

    CLIENT_CREDENTIALS = "client_credentials"
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  RFC 8693's name


class TokenForm(BaseModel):
    """Parameters of the token endpoint (RFC 6749 section 4.4.2, RFC 8693 section 2.1)."""

    grant_type: str = ""
    audience: str = ""
    scope: str | None = None
    subject_token: str = ""
    subject_token_type: str = ""


class AudienceRequest(RequestModel):
    """Which service the token is for. Without `scopes` it has all that the token sent has and the service knows."""

    audience: str = Field(max_length=100)
    scopes: list[str] | None = Field(default=None, max_length=100)


class TokenResponse(BaseModel):
    """A token (RFC 6749 section 5.1). `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  RFC 6750's name
    expires_in: int
    scope: str


class OAuthTokenResponse(TokenResponse):
    """As RFC 8693 section 2.2.1 has it."""

    issued_token_type: str = ACCESS_TOKEN_TYPE
