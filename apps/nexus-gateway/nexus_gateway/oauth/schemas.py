"""Bodies of the OAuth endpoints."""

import secrets
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field

from nexus_chassis.schemas import RequestModel
from nexus_gateway.oauth.models import Client, ClientKind, GrantType

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  RFC 8693's name
CLIENT_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
TENANT_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"

type _Text = Annotated[str, Field(max_length=1000)]


class ClientForm(BaseModel):
    """How a client says who it is, where it does not use HTTP Basic (RFC 6749 section 2.3.1)."""

    client_id: str = ""
    client_secret: str = ""


class TokenForm(ClientForm):
    """Parameters of the token endpoint (RFC 6749 sections 4.1.3, 4.4.2 and 6, RFC 8693 section 2.1, RFC 8707 section 2.2)."""

    grant_type: GrantType
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    refresh_token: str = ""
    audience: str = ""
    resource: str = ""
    scope: str | None = None
    subject_token: str = ""
    subject_token_type: str = ""
    requested_token_type: str = ACCESS_TOKEN_TYPE


class TokenFieldForm(ClientForm):
    """Parameters of revocation and introspection (RFC 7009 section 2.1, RFC 7662 section 2.1)."""

    token: str
    token_type_hint: str = ""


class AudienceRequest(RequestModel):
    """Which service the token is for. Without `scopes` it has what the service needs for reading."""

    audience: str = Field(max_length=100)
    scopes: list[str] | None = Field(default=None, max_length=100)


class TokenResponse(BaseModel):
    """A token (RFC 6749 section 5.1). `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  RFC 6750's name
    expires_in: int
    scope: str


class OAuthTokenResponse(TokenResponse):
    """A token of the token endpoint; `issued_token_type` is that of RFC 8693 section 2.2.1, for an exchange."""

    refresh_token: str | None = None
    issued_token_type: str | None = None


class ClientRequest(RequestModel):
    """A client to be added. Without `id` it receives a random one.

    Without `tenant` it is for users of every tenant, or of the one that the administrator administers.

    """

    id: str | None = Field(default=None, pattern=CLIENT_ID)
    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    kind: Annotated[ClientKind, Field(strict=False)]
    redirect_uris: list[_Text] = Field(default_factory=list, max_length=20)
    grant_types: list[Annotated[GrantType, Field(strict=False)]] = Field(min_length=1, max_length=10)
    scopes: list[_Text] = Field(default_factory=list, max_length=100)
    audiences: list[_Text] = Field(min_length=1, max_length=100)
    tenant: str | None = Field(default=None, pattern=TENANT_ID)
    trusted: bool = False

    def client(self, tenant: str | None) -> Client:
        """The client that is described; of `tenant` where it names none."""
        return Client(
            id=self.id or f"c-{secrets.token_urlsafe(16)}",
            name=self.name,
            kind=self.kind,
            redirect_uris=tuple(self.redirect_uris),
            grant_types=frozenset(self.grant_types),
            scopes=frozenset(self.scopes),
            audiences=frozenset(self.audiences),
            tenant=self.tenant or tenant,
            trusted=self.trusted,
        )


class ClientResponse(BaseModel):
    """A client. Times are in seconds since 1970; a client that registered itself expires."""

    id: str
    name: str
    kind: ClientKind
    redirect_uris: list[str]
    grant_types: list[str]
    scopes: list[str]
    audiences: list[str]
    tenant: str | None
    trusted: bool
    created_at: int
    expires_at: int | None

    @classmethod
    def of(cls, client: Client, **more: Any) -> Self:  # noqa: ANN401  members of subclasses
        """The client as it is shown, without its secret."""
        if client.created_at is None:
            raise AssertionError
        return cls(
            id=client.id,
            name=client.name,
            kind=client.kind,
            redirect_uris=list(client.redirect_uris),
            grant_types=sorted(client.grant_types),
            scopes=sorted(client.scopes),
            audiences=sorted(client.audiences),
            tenant=client.tenant,
            trusted=client.trusted,
            created_at=int(client.created_at.timestamp()),
            expires_at=None if client.expires_at is None else int(client.expires_at.timestamp()),
            **more,
        )


class AddedClient(ClientResponse):
    """A client that was added. `client_secret` is shown this once; a public client has none."""

    client_secret: str | None


class ClientPage(BaseModel):
    """Clients in the order of their ids; `next` is the id to continue `after`, null at the end."""

    items: list[ClientResponse]
    next: str | None
