"""Errors of routed requests."""


class AmbiguousPathError(Exception):
    """A path that the gateway and a service could read differently. `path` is as it was sent, `prefix` the route's."""

    def __init__(self, path: str, prefix: str) -> None:
        self.path = path
        self.prefix = prefix
        super().__init__(f"ambiguous path {path!r}")


class TooManyStreamsError(Exception):
    """A principal has too many long bodies on their way at once; `limit` is how many it may have."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"more than {limit} streams")


class UpstreamTimeoutError(Exception):
    """The service sent nothing for longer than its route allows."""

    def __init__(self, service: str) -> None:
        self.service = service
        super().__init__(f"{service} timed out")


class UpstreamUnavailableError(Exception):
    """The service cannot be reached, or broke off before its answer began."""

    def __init__(self, service: str) -> None:
        self.service = service
        super().__init__(f"{service} is unavailable")
