"""Errors of events."""

from nexus_chassis.channels import Channel


class BadFrameError(Exception):
    """A frame of a client is not understood; the message says why and what to send."""


class BadEventIdError(Exception):
    """Last-Event-ID is not an id that this gateway sent."""


class ForeignChannelError(Exception):
    """The channel is another user's."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        super().__init__(f"{channel} is another user's")


class NotPublishableError(Exception):
    """Clients cannot publish to channels of this kind."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        super().__init__(f"{channel} is published to by a service")


class OtherSubjectError(Exception):
    """The new token of an open connection is of another user or tenant."""


class TooManyConnectionsError(Exception):
    """A principal has as many open connections as it may have, `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"has {limit} connections open")


class StreamsExhaustedError(Exception):
    """The process has as many event streams over HTTP as it may have."""


class InvalidTicketError(Exception):
    """The ticket was used, has expired, or never existed."""


class UnknownParameterError(Exception):
    """The address of the WebSocket has query parameters other than one `ticket`."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        super().__init__(", ".join(names))
