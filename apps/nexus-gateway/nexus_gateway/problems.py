"""What the gateway answers for the errors of its features: the only place that maps them to HTTP (RFC 9457)."""

import json
from typing import override

from authlib.oauth2 import OAuth2Error
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from nexus_chassis.channels import UnknownChannelError
from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.problems import Problem, ProblemMap
from nexus_chassis.tokens import forbidden, unauthorized
from nexus_gateway.auth.errors import (
    ForeignRequestError,
    InsufficientScopeError,
    SessionEndedError,
    UnknownHostError,
)
from nexus_gateway.events.errors import BadFrameError
from nexus_gateway.oauth.errors import (
    ClientExistsError,
    InvalidClientError,
    InvalidScopeError,
    RefusedAuthorizationError,
    RegistrationOffError,
    RegistrationsFullError,
    UnknownAudienceError,
    UnknownClientError,
    UnknownTenantError,
)
from nexus_gateway.oauth.keys.errors import (
    ForeignKeyError,
    KeyTooFreshError,
    SigningKeysUnavailableError,
    UnknownKeyError,
)
from nexus_gateway.proxy.errors import (
    AmbiguousPathError,
    InvalidTimeoutError,
    TooManyStreamsError,
    UpstreamBrokenError,
    UpstreamOpenError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from nexus_gateway.sessions.errors import (
    FirstPartyOnlyError,
    InvalidRefreshTokenError,
    NoSessionError,
    TooManyAttemptsError,
    WrongCredentialsError,
)
from nexus_gateway.users.errors import PasswordQueueFullError

_STATUS_HINT = "/v1/status shows the state of each service."


class OAuthProblem(Problem):
    """An error of RFC 6749 section 5.2 (RFC 8693 section 2.2.2): its members, and those of a problem besides."""

    def __init__(self, error: OAuth2Error) -> None:
        code, description = str(error.error), error.get_error_description()
        invalid_client = code == "invalid_client"
        super().__init__(
            401 if invalid_client else 400,
            code.replace("_", "-"),
            "The OAuth request is refused",
            description,
            headers={"WWW-Authenticate": 'Basic realm="oauth"'} if invalid_client else {},
            error=code,
            error_description=description,
        )

    @override
    def response(self) -> Response:
        headers = {**self.headers, "Cache-Control": "no-store", "Pragma": "no-cache"}
        return Response(json.dumps(self.body()), self.status, headers, media_type="application/json")


def _session_ended(_: SessionEndedError) -> Problem:
    return unauthorized("its session was ended")


def _insufficient_scope(error: InsufficientScopeError) -> Problem:
    return forbidden(error.missing)


def _unknown_host(error: UnknownHostError) -> Problem:
    detail = f"Found {error.host!r:.200}. Open {error.address}, or add the host to NEXUS_ALLOWED_HOSTS."
    return Problem(421, "unknown-host", "This host name is not served", detail)


def _foreign_request(error: ForeignRequestError) -> Problem:
    detail = f"The request was not made: {error.reason}. Reload the page and try again."
    return Problem(403, "csrf", "The request did not come from a page of the gateway", detail)


def _wrong_credentials(_: WrongCredentialsError) -> Problem:
    detail = "No user has this name and password. Check the spelling of both."
    return Problem(401, "wrong-credentials", "Sign-in failed", detail, headers={"WWW-Authenticate": "Bearer"})


def _too_many_attempts(error: TooManyAttemptsError) -> Problem:
    detail = f"Sign-in failed too often from here. Try again in {error.retry_after} s."
    return Problem(429, "too-many-attempts", "Too many attempts", detail, headers=_retry_after(error.retry_after))


def _password_queue_full(error: PasswordQueueFullError) -> Problem:
    detail = f"Too many sign-ins are checked at once. Try again in {error.retry_after} s."
    return Problem(503, "overloaded", "The gateway is overloaded", detail, headers=_retry_after(error.retry_after))


def _no_session(_: NoSessionError) -> Problem:
    detail = "The token belongs to no session, or you have none of this id. GET /v1/sessions lists yours."
    return Problem(404, "no-session", "There is no session", detail)


def _invalid_refresh_token(_: InvalidRefreshTokenError) -> Problem:
    detail = "It was used already, or its session has ended. Sign in at POST /v1/sessions."
    headers = {"WWW-Authenticate": "Bearer"}
    return Problem(401, "invalid-refresh-token", "The refresh token is not valid", detail, headers=headers)


def _first_party_only(_: FirstPartyOnlyError) -> Problem:
    detail = "This token was issued to a client that acts for the user. Sign in at POST /v1/sessions."
    return Problem(403, "first-party-only", "Only the user may do this", detail)


def _unknown_audience(error: UnknownAudienceError) -> Problem:
    detail = f"Found {error.audience!r}. Use one of {', '.join(error.known)}."
    return Problem(400, "unknown-audience", "There is no such service", detail)


def _invalid_scope(error: InvalidScopeError) -> Problem:
    detail = f"Found {error.scope!r:.100}. A scope is printable ASCII without blanks, quotes and backslashes."
    return Problem(400, "invalid-scope", "This is not a scope", detail)


def _refused_authorization(error: RefusedAuthorizationError) -> Problem:
    detail = f"{error} Nothing was sent to the application. Tell whoever runs it."
    return Problem(400, "refused-authorization", "The application sent a wrong request", detail)


def _registration_off(_: RegistrationOffError) -> Problem:
    detail = "Use the client mcp-client, a client ID metadata document, or a client that an administrator has added."
    return Problem(403, "registration-off", "Clients cannot register themselves here", detail)


def _registrations_full(error: RegistrationsFullError) -> Problem:
    detail = "As many clients have registered themselves as are kept. Try again later, or ask an administrator."
    headers = _retry_after(error.retry_after)
    return Problem(503, "registrations-full", "No more clients can register", detail, headers=headers)


def _client_exists(error: ClientExistsError) -> Problem:
    return Problem(
        409, "client-exists", "The client exists", f"There is a client {error.client_id}. Choose another id."
    )


def _unknown_client(error: UnknownClientError) -> Problem:
    detail = f"There is no client {error.client_id}. GET /v1/clients lists them."
    return Problem(404, "unknown-client", "There is no such client", detail)


def _invalid_client(error: InvalidClientError) -> Problem:
    return Problem(422, "invalid-client-description", "The client cannot be added", str(error))


def _unknown_tenant(error: UnknownTenantError) -> Problem:
    detail = f"There is no tenant {error.tenant}. GET /v1/tenants lists them."
    return Problem(422, "unknown-tenant", "There is no such tenant", detail)


def _signing_keys_unavailable(_: SigningKeysUnavailableError) -> Problem:
    return Problem(
        503,
        "signing-keys-unavailable",
        "Access tokens cannot be issued now",
        "The keys that sign them cannot be read. Try again in a few seconds. /health shows the state of the gateway.",
        headers=_retry_after(5),
    )


def _key_too_fresh(error: KeyTooFreshError) -> Problem:
    headers = _retry_after(error.seconds)
    return Problem(409, "key-too-fresh", "The next key cannot sign yet", str(error), headers=headers)


def _foreign_key(error: ForeignKeyError) -> Problem:
    return Problem(409, "foreign-key", "The signing key cannot be decrypted", str(error))


def _unknown_key(error: UnknownKeyError) -> Problem:
    return Problem(404, "unknown-key", "There is no such signing key", str(error))


def _ambiguous_path(error: AmbiguousPathError) -> Problem:
    detail = (
        f"Found {error.path!r:.200}. Write {error.prefix}/ without percent escapes, "
        "and no '.', '..', backslash or encoded slash in the rest."
    )
    return Problem(400, "ambiguous-path", "The path is ambiguous", detail)


def _invalid_timeout(error: InvalidTimeoutError) -> Problem:
    detail = f"Found Request-Timeout {error.text!r:.100}. Send one number of seconds, such as 2.5."
    return Problem(400, "invalid-timeout", "The time limit is not valid", detail)


def _too_many_streams(error: TooManyStreamsError) -> Problem:
    detail = f"You have {error.limit} long uploads or downloads on their way. Wait until one of them has ended."
    return Problem(429, "too-many-streams", "Too many streams at once", detail, headers=_retry_after(5))


def _upstream_timeout(error: UpstreamTimeoutError) -> Problem:
    detail = f"{error.service} did not answer in time. Try again later. {_STATUS_HINT}"
    return Problem(504, "upstream-timeout", "A service took too long", detail, service=error.service)


def _upstream_unavailable(error: UpstreamUnavailableError) -> Problem:
    detail = f"{error.service} cannot be reached. Try again in a few seconds. {_STATUS_HINT}"
    headers = _retry_after(5)
    return Problem(502, "upstream-unavailable", "A service is away", detail, headers=headers, service=error.service)


def _upstream_broken(error: UpstreamBrokenError) -> Problem:
    detail = (
        f"{error.service} broke off before its answer was complete. It may have done what you asked: "
        f"look before you try again. {_STATUS_HINT}"
    )
    return Problem(502, "upstream-broken", "A service broke off", detail, service=error.service)


def _upstream_open(error: UpstreamOpenError) -> Problem:
    detail = (
        f"{error.service} did not answer the last requests, so this one was not sent. "
        f"Try again in {error.retry_after} s. {_STATUS_HINT}"
    )
    headers = _retry_after(error.retry_after)
    return Problem(503, "upstream-open", "A service is away", detail, headers=headers, service=error.service)


def _redis_unavailable(_: RedisUnavailableError) -> Problem:
    detail = f"Sessions and channels cannot be read now. Try again in a few seconds. {_STATUS_HINT}"
    return Problem(503, "store-unavailable", "The gateway is degraded", detail, headers=_retry_after(5))


def _unknown_channel(error: UnknownChannelError) -> Problem:
    return Problem(400, "unknown-channel", "There is no such channel", str(error))


def _bad_frame(error: BadFrameError) -> Problem:
    return Problem(400, "bad-frame", "The frame is not understood", str(error))


def _client_left(_: ClientDisconnect) -> Problem:
    return Problem(499, "client-left", "The client left", "The connection was closed before the answer.")


def _retry_after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


PROBLEMS: ProblemMap = (
    (SessionEndedError, _session_ended),
    (InsufficientScopeError, _insufficient_scope),
    (UnknownHostError, _unknown_host),
    (ForeignRequestError, _foreign_request),
    (WrongCredentialsError, _wrong_credentials),
    (TooManyAttemptsError, _too_many_attempts),
    (PasswordQueueFullError, _password_queue_full),
    (NoSessionError, _no_session),
    (InvalidRefreshTokenError, _invalid_refresh_token),
    (FirstPartyOnlyError, _first_party_only),
    (OAuth2Error, OAuthProblem),
    (RefusedAuthorizationError, _refused_authorization),
    (RegistrationOffError, _registration_off),
    (RegistrationsFullError, _registrations_full),
    (ClientExistsError, _client_exists),
    (UnknownClientError, _unknown_client),
    (InvalidClientError, _invalid_client),
    (UnknownTenantError, _unknown_tenant),
    (UnknownAudienceError, _unknown_audience),
    (InvalidScopeError, _invalid_scope),
    (SigningKeysUnavailableError, _signing_keys_unavailable),
    (KeyTooFreshError, _key_too_fresh),
    (ForeignKeyError, _foreign_key),
    (UnknownKeyError, _unknown_key),
    (AmbiguousPathError, _ambiguous_path),
    (InvalidTimeoutError, _invalid_timeout),
    (TooManyStreamsError, _too_many_streams),
    (UpstreamTimeoutError, _upstream_timeout),
    (UpstreamUnavailableError, _upstream_unavailable),
    (UpstreamBrokenError, _upstream_broken),
    (UpstreamOpenError, _upstream_open),
    (RedisUnavailableError, _redis_unavailable),
    (UnknownChannelError, _unknown_channel),
    (BadFrameError, _bad_frame),
    (ClientDisconnect, _client_left),
)
