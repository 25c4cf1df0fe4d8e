"""Errors of the OAuth endpoints."""

import json

from starlette.responses import Response

from nexus_chassis.problems import Problem


class OAuthError(Problem):
    """An error of RFC 6749 section 5.2 (RFC 8693 section 2.2.2): its members, and those of a problem besides."""

    def __init__(self, error: str, description: str) -> None:
        invalid_client = error == "invalid_client"
        super().__init__(
            401 if invalid_client else 400,
            error.replace("_", "-"),
            "No token was given",
            description,
            headers={"WWW-Authenticate": 'Basic realm="oauth"'} if invalid_client else {},
            error=error,
            error_description=description,
        )

    def response(self) -> Response:
        """The answer, as application/json as RFC 6749 has it."""
        headers = {**self.headers, "Cache-Control": "no-store"}
        return Response(json.dumps(self.body()), self.status, headers, media_type="application/json")
