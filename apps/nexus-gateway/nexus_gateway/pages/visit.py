"""One browser's request for a page: its cookie, and the token that its forms carry (OWASP CSRF Prevention Cheat Sheet)."""

import hashlib
import hmac
import secrets

from starlette.requests import HTTPConnection
from starlette.responses import Response

from nexus_gateway.auth.browsers import Browsers
from nexus_gateway.auth.errors import ForeignRequestError

FORM_TOKEN = "form_token"  # noqa: S105  the field's name
_PURPOSE = b"nexus form token"


class Visit:
    """The cookie is that of the signed-in browser, or one that only ties forms to the browser they were sent to."""

    def __init__(self, connection: HTTPConnection, browsers: Browsers) -> None:
        self._connection = connection
        self._browsers = browsers
        self._sent = browsers.cookie_of(connection)
        self._value = self._sent

    @property
    def form_token(self) -> str:
        """What each form of the page carries in the field `form_token`."""
        if self._value is None:
            self._value = secrets.token_urlsafe(32)
        return hmac.digest(self._value.encode(), _PURPOSE, hashlib.sha256).hex()

    def require_own_form(self, found: str) -> None:
        """Raise ForeignRequestError unless a form came from a page that was sent to this browser."""
        self._browsers.address.require_same_origin(self._connection)
        if self._sent is None:
            raise ForeignRequestError("the browser sent no cookie with it")
        if not hmac.compare_digest(self.form_token.encode(), found.encode()):
            raise ForeignRequestError("the form belongs to another browser or to a session that has ended")

    def finish(self, response: Response) -> None:
        """Set the cookie where the page has a form and the browser had no cookie."""
        if self._value != self._sent and self._value is not None:
            self._browsers.set_cookie(response, self._value)


def visit_of(connection: HTTPConnection) -> Visit:
    """The visit that a request on a PageRoute belongs to."""
    visit: Visit = connection.state.visit
    return visit
