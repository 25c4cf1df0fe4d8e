"""Problems of the authorization server: its requests and its clients."""

import json
from typing import override

from authlib.oauth2 import OAuth2Error
from starlette.responses import Response

from nexus_chassis.problems import Problem, ProblemMap
from nexus_gateway.oauth.errors import (
    ClientExistsError,
    InvalidClientError,
    InvalidScopeError,
    RefusedAuthorizationError,
    RegistrationOffError,
    RegistrationsFullError,
    UnknownAudienceError,
    UnknownClientError,
)
from nexus_gateway.problems.wording import retry_after


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


def _refused_authorization(error: RefusedAuthorizationError) -> Problem:
    detail = f"{error} Nothing was sent to the application. Tell whoever runs it."
    return Problem(400, "refused-authorization", "The application sent a wrong request", detail)


def _registration_off(_: RegistrationOffError) -> Problem:
    detail = "Use the client mcp-client, a client ID metadata document, or a client that an administrator has added."
    return Problem(403, "registration-off", "Clients cannot register themselves here", detail)


def _registrations_full(error: RegistrationsFullError) -> Problem:
    detail = "As many clients have registered themselves as are kept. Try again later, or ask an administrator."
    headers = retry_after(error.retry_after)
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


def _unknown_audience(error: UnknownAudienceError) -> Problem:
    detail = f"Found {error.audience!r}. Use one of {', '.join(error.known)}."
    return Problem(400, "unknown-audience", "There is no such service", detail)


def _invalid_scope(error: InvalidScopeError) -> Problem:
    detail = f"Found {error.scope!r:.100}. A scope is printable ASCII without blanks, quotes and backslashes."
    return Problem(400, "invalid-scope", "This is not a scope", detail)


OAUTH: ProblemMap = (
    (OAuth2Error, OAuthProblem),
    (RefusedAuthorizationError, _refused_authorization),
    (RegistrationOffError, _registration_off),
    (RegistrationsFullError, _registrations_full),
    (ClientExistsError, _client_exists),
    (UnknownClientError, _unknown_client),
    (InvalidClientError, _invalid_client),
    (UnknownAudienceError, _unknown_audience),
    (InvalidScopeError, _invalid_scope),
)
