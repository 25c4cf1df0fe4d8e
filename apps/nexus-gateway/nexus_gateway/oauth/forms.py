"""Parameters of OAuth requests, as forms and as queries."""

from collections import Counter
from collections.abc import Iterable
from urllib.parse import parse_qsl

from starlette.requests import Request

from nexus_chassis.limits import SMALL_BODY_BYTES
from nexus_chassis.request_body import read_body
from nexus_gateway.oauth.errors import OAuthError

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 30


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of a form; raises OAuthError, or Problem 413."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise OAuthError("invalid_request", f"Send the parameters as {FORM_TYPE}.")
    return parse_parameters(await read_body(request, SMALL_BODY_BYTES))


def parse_parameters(encoded: bytes) -> dict[str, str]:
    """The parameters with a value, each once; those without count as not sent (RFC 6749 section 3.1).

    Raises OAuthError `invalid_request`, or `invalid_target` for more than one resource.
    """
    try:
        text = encoded.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:  # includes UnicodeDecodeError
        raise OAuthError("invalid_request", f"The form cannot be read. Send at most {MAX_FIELDS} fields.") from None
    return check_parameters(pairs)


def check_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The parameters with a value, each once; raises what `parse_parameters` does."""
    pairs = list(pairs)
    _require_once(name for name, _ in pairs)
    if any(not value.isprintable() for _, value in pairs):
        raise OAuthError("invalid_request", "A parameter has characters that cannot be printed.")
    return {name: value for name, value in pairs if value}


def _require_once(names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated == ["resource"]:
        raise OAuthError("invalid_target", "Tokens are issued for one resource each. Request one at a time.")
    if repeated:
        raise OAuthError("invalid_request", "A parameter is given twice.")
