"""What the gateway answers for the errors of its features: the only place that maps them to HTTP (RFC 9457)."""

import json
from typing import override

from authlib.oauth2 import OAuth2Error
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from nexus_chassis.channels import InvalidEventError, UnknownChannelError
from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.problems import Problem, ProblemMap
from nexus_chassis.tokens import forbidden, unauthorized
from nexus_gateway.audit.errors import BrokenChainError
from nexus_gateway.auth.errors import (
    ForeignRequestError,
    InsufficientScopeError,
    PasswordQueueFullError,
    PlatformOnlyError,
    RateLimitedError,
    SessionEndedError,
    UnknownHostError,
)
from nexus_gateway.events.errors import (
    BadEventIdError,
    BadFrameError,
    ForeignChannelError,
    InvalidTicketError,
    NotPublishableError,
    OtherSubjectError,
    StreamsExhaustedError,
    TooManyConnectionsError,
    UnknownParameterError,
)
from nexus_gateway.oauth.errors import (
    ClientExistsError,
    InvalidClientError,
    InvalidScopeError,
    RefusedAuthorizationError,
    RegistrationOffError,
    RegistrationsFullError,
    UnknownAudienceError,
    UnknownClientError,
    UnknownClientTenantError,
)
from nexus_gateway.oauth.keys.errors import (
    ForeignKeyError,
    KeyTooFreshError,
    SigningKeysUnavailableError,
    UnannouncedError,
    UnknownKeyError,
)
from nexus_gateway.oidc.errors import UnknownProviderError
from nexus_gateway.proxy.errors import (
    AmbiguousPathError,
    InvalidTimeoutError,
    TooManyStreamsError,
    UpstreamBrokenError,
    UpstreamOpenError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from nexus_gateway.roles.errors import BuiltInRoleError, NoSuchRoleError, RoleInUseError, UnknownScopeError
from nexus_gateway.sessions.errors import (
    FirstPartyOnlyError,
    InvalidRefreshTokenError,
    NoSessionError,
    TooManyAttemptsError,
    WrongCredentialsError,
)
from nexus_gateway.tenants.errors import TenantExistsError
from nexus_gateway.users.errors import (
    ChangedMeanwhileError,
    InvalidResetTokenError,
    LastAdministratorError,
    NoSuchUserError,
    UnknownRoleError,
    UnknownTenantError,
    UsernameTakenError,
    WeakPasswordError,
    WrongPasswordError,
)

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


def _platform_only(_: PlatformOnlyError) -> Problem:
    detail = "Only administrators of the tenant default may do this. Ask one of them."
    return Problem(403, "platform-only", "This concerns all tenants", detail)


def _unknown_host(error: UnknownHostError) -> Problem:
    detail = f"Found {error.host!r:.200}. Open {error.address}, or add the host to NEXUS_ALLOWED_HOSTS."
    return Problem(421, "unknown-host", "This host name is not served", detail)


def _foreign_request(error: ForeignRequestError) -> Problem:
    detail = f"The request was not made: {error.reason}. Reload the page and try again."
    return Problem(403, "csrf", "The request did not come from a page of the gateway", detail)


def _rate_limited(error: RateLimitedError) -> Problem:
    detail = f"The limit {error.limit!r} is used up. Try again in {error.retry_after} s."
    headers = {**error.headers, **_retry_after(error.retry_after)}
    return Problem(
        429,
        "rate-limited",
        "Too many requests",
        detail,
        headers=headers,
        limit=error.limit,
        retry_after=error.retry_after,
    )


def _wrong_credentials(_: WrongCredentialsError) -> Problem:
    detail = "No user has this name and password. Check the spelling of both."
    return Problem(401, "wrong-credentials", "Sign-in failed", detail, headers={"WWW-Authenticate": "Bearer"})


def _too_many_attempts(error: TooManyAttemptsError) -> Problem:
    detail = f"Sign-in failed too often from here. Try again in {error.retry_after} s."
    return Problem(429, "too-many-attempts", "Too many attempts", detail, headers=_retry_after(error.retry_after))


def _password_queue_full(error: PasswordQueueFullError) -> Problem:
    detail = f"Too many sign-ins are checked at once. Try again in {error.retry_after} s."
    return Problem(503, "overloaded", "The gateway is overloaded", detail, headers=_retry_after(error.retry_after))


def _tenant_exists(error: TenantExistsError) -> Problem:
    return Problem(409, "tenant-exists", "The id is taken", f"There is a tenant {error.tenant}. Choose another id.")


def _no_such_role(error: NoSuchRoleError) -> Problem:
    return Problem(404, "no-such-role", "There is no such role", f"There is no role {error.name}. List the roles.")


def _built_in_role(error: BuiltInRoleError) -> Problem:
    detail = f"The role {error.name} always has every scope. Create another role with those that you want."
    return Problem(409, "built-in-role", "The role is built in", detail)


def _role_in_use(error: RoleInUseError) -> Problem:
    detail = f"The role {error.name} belongs to {error.users} users. Take it away from them first."
    return Problem(409, "role-in-use", "Users have the role", detail, users=error.users)


def _unknown_scope(error: UnknownScopeError) -> Problem:
    found = " ".join(error.scopes)
    detail = f"Found {found!r:.200}. A role can have {', '.join(error.known)}."
    return Problem(400, "unknown-scope", "There is no such scope for roles", detail)


def _no_such_user(error: NoSuchUserError) -> Problem:
    detail = f"There is no user {error.user!r:.100} that you administer. List the users."
    return Problem(404, "no-such-user", "There is no such user", detail)


def _username_taken(error: UsernameTakenError) -> Problem:
    detail = f"The name {error.username} is taken. Choose another one; names are unique in all tenants together."
    return Problem(409, "username-taken", "The user name is taken", detail)


def _unknown_tenant(error: UnknownTenantError | UnknownClientTenantError) -> Problem:
    detail = f"There is no tenant {error.tenant}. Create it first."
    return Problem(400, "unknown-tenant", "There is no such tenant", detail)


def _unknown_role(error: UnknownRoleError) -> Problem:
    detail = f"There are no roles {', '.join(error.roles)}. Use existing ones, or create them first."
    return Problem(400, "unknown-role", "There is no such role", detail)


def _last_administrator(_: LastAdministratorError) -> Problem:
    detail = "The tenant default would have no enabled administrator left. Make somebody else one first."
    return Problem(409, "last-admin", "This is the last administrator", detail)


def _changed_meanwhile(error: ChangedMeanwhileError) -> Problem:
    detail = f'The user was changed meanwhile, and has the ETag "{error.version}" now. Read the user again.'
    return Problem(412, "changed-meanwhile", "The user was changed", detail)


def _weak_password(error: WeakPasswordError) -> Problem:
    return Problem(400, "weak-password", "The new password is refused", error.reason)


def _wrong_password(_: WrongPasswordError) -> Problem:
    detail = "The current password is another one. Check its spelling, or ask an administrator for a link to reset it."
    return Problem(403, "wrong-password", "The current password is wrong", detail)


def _invalid_reset_token(_: InvalidResetTokenError) -> Problem:
    detail = "The link was used, has expired, or the password was set since. Ask an administrator for a new one."
    return Problem(400, "invalid-reset-token", "The link is not valid", detail)


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


def _unknown_provider(_: UnknownProviderError) -> Problem:
    detail = "Nobody of that name signs users in here. Choose one on the login page."
    return Problem(404, "unknown-provider", "There is no such provider", detail)


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


def _unannounced(error: UnannouncedError) -> Problem:
    return Problem(503, "unannounced", "The services were not told", str(error), headers=_retry_after(5))


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


def _broken_chain(error: BrokenChainError) -> Problem:
    return Problem(500, "audit-log-changed", "The audit log was changed", f"{error}.")


def _bad_event_id(_: BadEventIdError) -> Problem:
    detail = "Last-Event-ID is not an id that this gateway sent. Send that of the last event, or none."
    return Problem(400, "bad-event-id", "The event id is not understood", detail)


def _invalid_event(error: InvalidEventError) -> Problem:
    return Problem(422, "invalid-event", "The event cannot be published", str(error))


def _foreign_channel(error: ForeignChannelError) -> Problem:
    detail = f"Found {error.channel}. Subscribe to user:NAME with the subject of your own token as NAME."
    return Problem(403, "channel-not-allowed", "This channel is another user's", detail)


def _not_publishable(error: NotPublishableError) -> Problem:
    detail = f"Found {error.channel}, to which a service publishes. Use a channel app:NAME."
    return Problem(403, "channel-not-allowed", "Clients cannot publish to this channel", detail)


def _other_subject(_: OtherSubjectError) -> Problem:
    detail = "The new token is of another user or tenant than the connection. Open another connection with it."
    return Problem(403, "other-subject", "The token is another user's", detail)


def _too_many_connections(error: TooManyConnectionsError) -> Problem:
    detail = f"You have {error.limit} connections for events open. Close one, or subscribe to more channels on one."
    return Problem(429, "too-many-connections", "Too many connections", detail, headers=_retry_after(5))


def _streams_exhausted(_: StreamsExhaustedError) -> Problem:
    detail = "There are too many event streams. Use a WebSocket at /v1/ws, or try again in a few seconds."
    return Problem(503, "overloaded", "The gateway is overloaded", detail, headers=_retry_after(5))


def _invalid_ticket(_: InvalidTicketError) -> Problem:
    detail = "The ticket was used, or is older than 30 s. Get a new one from POST /v1/ws/tickets."
    return Problem(401, "invalid-ticket", "The ticket is refused", detail, headers={"WWW-Authenticate": "Bearer"})


def _unknown_parameter(error: UnknownParameterError) -> Problem:
    names = ", ".join(repr(name[:100]) for name in error.names[:10])
    detail = f"Found the query parameters {names}. Only one `ticket` is known; tokens are sent in headers."
    return Problem(400, "unknown-parameter", "A query parameter is unknown", detail)


def _client_left(_: ClientDisconnect) -> Problem:
    return Problem(499, "client-left", "The client left", "The connection was closed before the answer.")


def _retry_after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


PROBLEMS: ProblemMap = (
    (RateLimitedError, _rate_limited),
    (SessionEndedError, _session_ended),
    (InsufficientScopeError, _insufficient_scope),
    (PlatformOnlyError, _platform_only),
    (UnknownHostError, _unknown_host),
    (ForeignRequestError, _foreign_request),
    (WrongCredentialsError, _wrong_credentials),
    (TooManyAttemptsError, _too_many_attempts),
    (PasswordQueueFullError, _password_queue_full),
    (TenantExistsError, _tenant_exists),
    (NoSuchRoleError, _no_such_role),
    (BuiltInRoleError, _built_in_role),
    (RoleInUseError, _role_in_use),
    (UnknownScopeError, _unknown_scope),
    (NoSuchUserError, _no_such_user),
    (UsernameTakenError, _username_taken),
    (UnknownTenantError, _unknown_tenant),
    (UnknownRoleError, _unknown_role),
    (LastAdministratorError, _last_administrator),
    (ChangedMeanwhileError, _changed_meanwhile),
    (WeakPasswordError, _weak_password),
    (WrongPasswordError, _wrong_password),
    (InvalidResetTokenError, _invalid_reset_token),
    (NoSessionError, _no_session),
    (InvalidRefreshTokenError, _invalid_refresh_token),
    (FirstPartyOnlyError, _first_party_only),
    (UnknownProviderError, _unknown_provider),
    (OAuth2Error, OAuthProblem),
    (RefusedAuthorizationError, _refused_authorization),
    (RegistrationOffError, _registration_off),
    (RegistrationsFullError, _registrations_full),
    (ClientExistsError, _client_exists),
    (UnknownClientError, _unknown_client),
    (InvalidClientError, _invalid_client),
    (UnknownClientTenantError, _unknown_tenant),
    (UnknownAudienceError, _unknown_audience),
    (InvalidScopeError, _invalid_scope),
    (SigningKeysUnavailableError, _signing_keys_unavailable),
    (KeyTooFreshError, _key_too_fresh),
    (ForeignKeyError, _foreign_key),
    (UnknownKeyError, _unknown_key),
    (UnannouncedError, _unannounced),
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
    (BrokenChainError, _broken_chain),
    (BadEventIdError, _bad_event_id),
    (InvalidEventError, _invalid_event),
    (ForeignChannelError, _foreign_channel),
    (NotPublishableError, _not_publishable),
    (OtherSubjectError, _other_subject),
    (TooManyConnectionsError, _too_many_connections),
    (StreamsExhaustedError, _streams_exhausted),
    (InvalidTicketError, _invalid_ticket),
    (UnknownParameterError, _unknown_parameter),
    (ClientDisconnect, _client_left),
)
