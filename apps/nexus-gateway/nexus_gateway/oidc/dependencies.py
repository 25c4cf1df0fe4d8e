"""What external login depends on."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_gateway.auth.browsers import Browsers
from nexus_gateway.context import get_context
from nexus_gateway.oidc.models import Answer
from nexus_gateway.oidc.service import ExternalLogins

_MAX_FIELDS = 50


async def get_external_logins(connection: HTTPConnection) -> ExternalLogins:
    """Logins by the providers."""
    return (await get_context(connection)).external_logins


async def get_browsers(connection: HTTPConnection) -> Browsers:
    """The browsers that are signed in."""
    return (await get_context(connection)).browsers


async def get_answer(connection: HTTPConnection) -> Answer:
    """What the browser brings from the provider; an empty answer where a parameter is repeated or malformed."""
    try:
        text = connection.scope["query_string"].decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:  # includes UnicodeDecodeError
        return Answer()
    known = {name: value for name, value in pairs if name in Answer.__slots__}
    is_clear = len(known) == sum(name in known for name, _ in pairs)
    return Answer(**known) if is_clear else Answer()


Logins = Annotated[ExternalLogins, Depends(get_external_logins)]
SignedInBrowsers = Annotated[Browsers, Depends(get_browsers)]
ProviderAnswer = Annotated[Answer, Depends(get_answer)]
