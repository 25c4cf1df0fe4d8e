"""Errors of routed requests."""


class AmbiguousPathError(Exception):
    """A path that the gateway and a service could read differently. `path` is as it was sent, `prefix` the route's."""

    def __init__(self, path: str, prefix: str) -> None:
        self.path = path
        self.prefix = prefix
        super().__init__(f"ambiguous path {path!r}")


class InvalidTimeoutError(Exception):
    """A header Request-Timeout that is no number of seconds; `text` is what was sent."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"no number of seconds: {text!r}")


class TooManyStreamsError(Exception):
    """A principal has too many long bodies on their way at once; `limit` is how many it may have."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"more than {limit} streams")


class UpstreamError(Exception):
    """A service did not answer a request."""

    def __init__(self, service: str) -> None:
        self.service = service
        super().__init__(f"{service} did not answer")


class UpstreamTimeoutError(UpstreamError):
    """The answer did not begin within the time that the route or the client allows."""


class UpstreamUnavailableError(UpstreamError):
    """The service cannot be reached."""


class UpstreamBrokenError(UpstreamError):
    """The service broke off before its answer was complete, or sent what is no answer of HTTP."""


class UpstreamOpenError(UpstreamError):
    """The service did not answer the last requests; the next one is let through in `retry_after` seconds."""

    def __init__(self, service: str, retry_after: int) -> None:
        super().__init__(service)
        self.retry_after = retry_after
