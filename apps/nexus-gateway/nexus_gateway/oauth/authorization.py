"""Authorization requests: read, granted by a user, answered to the client (RFC 6749 section 4.1, RFC 9207)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode
from uuid import UUID

from authlib.oauth2 import OAuth2Error

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.browsers import BrowserUser
from nexus_gateway.auth.scopes import reading_scopes
from nexus_gateway.oauth.clients import Clients
from nexus_gateway.oauth.errors import InvalidClientDocumentError, OAuthError, RefusedAuthorizationError
from nexus_gateway.oauth.grants.authorization_code import AuthorizationCodeGrant
from nexus_gateway.oauth.grants.targets import possible_of, target
from nexus_gateway.oauth.grants.tools import GrantTools
from nexus_gateway.oauth.models import AuthorizationCode, Client, Consent
from nexus_gateway.oauth.repository import ConsentRepository
from nexus_gateway.oauth.requests import LoadedRequest, Peer
from nexus_gateway.oauth.server import LoadedServer


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that may be granted: `scopes` are what the client, the user and the audience have in common."""

    client: Client
    parameters: Mapping[str, str]
    redirect_uri: str
    audience: str
    scopes: frozenset[str]

    @property
    def state(self) -> str | None:
        """What the client gets back as it is."""
        return self.parameters.get("state")


class AuthorizationService:
    """Reads authorization requests, and answers them by addresses that the browser is sent to."""

    def __init__(
        self,
        clients: Clients,
        tools: GrantTools,
        database: Database,
        audit: AuditWriter,
    ) -> None:
        self._clients = clients
        self._tools = tools
        self._codes = tools.codes
        self._database = database
        self._consents = ConsentRepository()
        self._audit = audit
        self._issuer = tools.issuer.issuer

    async def read(self, parameters: dict[str, str], user: BrowserUser) -> AuthorizationRequest:
        """The request; raises RefusedAuthorizationError, or OAuth2Error with a redirect URI that is to learn of it."""
        client = await self._client(parameters.get("client_id", ""))
        request = LoadedRequest("GET", parameters, client, Peer("", ""))
        redirect_uri = AuthorizationCodeGrant.validate_authorization_redirect_uri(request, client)
        try:
            self._validate(request, client, user)
            audience = target(client, parameters, self._tools.resources)
            scopes = self._scopes(client, user, audience, parameters.get("scope"))
        except OAuth2Error as error:
            error.redirect_uri = redirect_uri
            raise
        return AuthorizationRequest(client, parameters, redirect_uri, audience, scopes)

    async def _client(self, client_id: str) -> Client:
        try:
            client = await self._clients.find(client_id)
        except InvalidClientDocumentError as error:
            raise RefusedAuthorizationError(str(error)) from None
        if client is None:
            raise RefusedAuthorizationError(f"There is no client {client_id!r:.100}.")
        return client

    def _validate(self, request: LoadedRequest, client: Client, user: BrowserUser) -> None:
        if (response_type := request.form.get("response_type", "")) != "code":
            raise OAuthError("unsupported_response_type", f"Found {response_type!r:.100}. Use code.")
        if request.form.get("response_mode", "query") != "query":
            raise OAuthError("invalid_request", "response_mode can be query alone.")
        server = LoadedServer(self._tools, request)
        grant = server.get_authorization_grant(request)
        if not isinstance(grant, AuthorizationCodeGrant):
            raise TypeError(grant)
        grant.validate_consent_request()
        if client.tenant not in {None, user.tenant}:
            raise OAuthError("access_denied", "The client is for users of another tenant.")

    def _scopes(self, client: Client, user: BrowserUser, audience: str, wanted: str | None) -> frozenset[str]:
        possible = self._tools.issuer.possible_scopes(client.scopes & user.scopes, audience)
        return possible_of(wanted, possible, reading_scopes(audience))

    async def needs_consent(self, request: AuthorizationRequest, user: BrowserUser) -> bool:
        """Whether the user is to be asked: not for a trusted client, and not again for what was granted before."""
        if request.client.trusted:
            return False
        if not request.client.remembers_consent(request.redirect_uri):
            return True
        async with self._database.read() as connection:
            return not await self._consents.covers(connection, _consent(request, user))

    async def grant(self, request: AuthorizationRequest, user: BrowserUser, *, asked: bool) -> str:
        """Grant the request; returns where the browser goes. `asked` tells whether the user was asked just now."""
        if asked:
            async with self._database.unit_of_work(tenant=user.tenant) as unit:
                await self._consents.add(unit.connection, _consent(request, user))
                await self._audit.record_in(unit, _granted(request, user))
        code = await self._codes.create(_code(request, user))
        return self._location(request.redirect_uri, {"code": code}, request.state)

    def deny(self, request: AuthorizationRequest) -> str:
        """Where the browser goes when the user denies the request."""
        error = {"error": "access_denied", "error_description": "The user denied the request."}
        return self._location(request.redirect_uri, error, request.state)

    def refuse(self, error: OAuth2Error, state: str | None) -> str:
        """Where the browser goes when the request is refused; RefusedAuthorizationError where no client may know."""
        text = error.get_error_description()
        if error.redirect_uri is None:
            raise RefusedAuthorizationError(text)
        return self._location(error.redirect_uri, {"error": str(error.error), "error_description": text}, state)

    def _location(self, redirect_uri: str, answer: dict[str, str], state: str | None) -> str:
        parameters = answer | ({} if state is None else {"state": state}) | {"iss": self._issuer}
        separator = "&" if "?" in redirect_uri else "?"
        return f"{redirect_uri}{separator}{urlencode(parameters, quote_via=quote)}"


def _granted(request: AuthorizationRequest, user: BrowserUser) -> AuditEvent:
    return AuditEvent(
        "consent.grant",
        subject=user.id,
        client_id=request.client.id,
        tenant=user.tenant,
        session=user.session,
        target=request.audience,
        detail={"scope": " ".join(sorted(request.scopes))},
    )


def _consent(request: AuthorizationRequest, user: BrowserUser) -> Consent:
    return Consent(UUID(user.id), request.client.id, request.audience, request.scopes)


def _code(request: AuthorizationRequest, user: BrowserUser) -> AuthorizationCode:
    return AuthorizationCode(
        client_id=request.client.id,
        user=user.id,
        redirect_uri=request.redirect_uri,
        redirect_uri_was_sent="redirect_uri" in request.parameters,
        scope=" ".join(sorted(request.scopes)),
        audience=request.audience,
        code_challenge=request.parameters["code_challenge"],
    )
