"""How long a request may take: the header Request-Timeout, in seconds.

A client sends how long it waits for the answer to begin; the gateway shortens that to what its route allows, and passes on
what is left. Seconds instead of a time of day, because clocks differ.
"""

import re
import time

from starlette.types import Scope

from nexus_gateway.proxy.errors import InvalidTimeoutError

HEADER = b"request-timeout"
_SECONDS = re.compile(rb"[0-9]{1,6}(?:\.[0-9]{1,6})?")


def client_deadline(scope: Scope) -> float | None:
    """When the client stops waiting, as time.monotonic() counts it; None if it does not say.

    Raises InvalidTimeoutError.
    """
    sent = [value for name, value in scope["headers"] if name == HEADER]
    if not sent:
        return None
    if len(sent) > 1 or not _SECONDS.fullmatch(sent[0]):
        raise InvalidTimeoutError(b", ".join(sent).decode("latin-1"))
    return time.monotonic() + float(sent[0])


class Deadline:
    """When the answer to a request must have begun: at the end of `seconds`, or earlier if the client says so."""

    __slots__ = ("_end", "is_clients")

    def __init__(self, seconds: float | None, client: float | None) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        self.is_clients = client is not None and (end is None or client < end)
        self._end = client if self.is_clients else end

    def remaining(self) -> float | None:
        """Seconds that are left, 0 when it has passed; None if there is no deadline."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())
