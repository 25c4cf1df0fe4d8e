"""Bearer tokens in HTTP (RFC 6750): reading them from requests, and the answers where one is missing or lacks scopes."""

import re
from collections.abc import Collection

from starlette.requests import HTTPConnection

from nexus_chassis.problems import Problem

_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_NO_QUOTED_TEXT = re.compile(r"[^\t\x20-\x7e]")
_ESCAPED = re.compile(r'(["\\])')


def is_scope_token(text: str) -> bool:
    """Whether the text is a scope token (RFC 6749 section 3.3) of at most 128 characters."""
    return _SCOPE_TOKEN.fullmatch(text) is not None


def validate_scope_token(text: str) -> str:
    """The text, if it is a scope token (RFC 6749 section 3.3); raises ValueError. Usable as a pydantic validator."""
    if not is_scope_token(text):
        raise ValueError(
            f"{text!r:.60} is not a scope. A scope has 1 to 128 printable ASCII characters without space, quotes and \\."
        )
    return text


def quote_header_value(text: str) -> str:
    """The text as a quoted-string of a header (RFC 9110 section 5.6.4); characters that cannot be in one become `?`."""
    return f'"{_ESCAPED.sub(r"\\\1", _NO_QUOTED_TEXT.sub("?", text))}"'


def unauthorized(reason: str | None = None) -> Problem:
    """401 for a request without an acceptable token (RFC 6750 section 3); `reason` None means that none was sent."""
    if reason is None:
        detail = "This needs an access token. Send it as 'Authorization: Bearer TOKEN'."
        challenge = "Bearer"
    else:
        detail = f"The access token is refused: {reason}. Get a new one from the gateway."
        challenge = 'Bearer error="invalid_token"'
    return Problem(401, "unauthorized", "An access token is needed", detail, headers={"WWW-Authenticate": challenge})


def forbidden(missing: Collection[str]) -> Problem:
    """403 for a token that lacks scopes (RFC 6750 section 3.1)."""
    names = " ".join(sorted(missing))
    return Problem(
        403,
        "insufficient-scope",
        "The access token does not allow this",
        f"The access token lacks the scope {names}. Ask for a token that has it.",
        headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope={quote_header_value(names)}'},
        missing_scopes=sorted(missing),
    )


def bearer_token(connection: HTTPConnection) -> str | None:
    """The token of the Authorization header, if it has one; raises Problem 401 where the header is there twice."""
    found = [value for name, value in connection.scope["headers"] if name == b"authorization"]
    if not found:
        return None
    if len(found) > 1:
        raise unauthorized("the request has more than one Authorization header")
    scheme, _, token = found[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
