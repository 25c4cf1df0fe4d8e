"""Problems of channels, WebSockets and event streams."""

from nexus_chassis.channels import InvalidEventError, UnknownChannelError
from nexus_chassis.problems import Problem, ProblemMap
from nexus_gateway.events.errors import (
    BadEventIdError,
    BadFrameError,
    ForeignChannelError,
    InvalidTicketError,
    NotPublishableError,
    OtherSubjectError,
    StreamsExhaustedError,
    TooManyConnectionsError,
    UnknownParameterError,
)
from nexus_gateway.problems.wording import retry_after


def _unknown_channel(error: UnknownChannelError) -> Problem:
    return Problem(400, "unknown-channel", "There is no such channel", str(error))


def _bad_frame(error: BadFrameError) -> Problem:
    return Problem(400, "bad-frame", "The frame is not understood", str(error))


def _bad_event_id(_: BadEventIdError) -> Problem:
    detail = "Last-Event-ID is not an id that this gateway sent. Send that of the last event, or none."
    return Problem(400, "bad-event-id", "The event id is not understood", detail)


def _invalid_event(error: InvalidEventError) -> Problem:
    return Problem(422, "invalid-event", "The event cannot be published", str(error))


def _foreign_channel(error: ForeignChannelError) -> Problem:
    detail = f"Found {error.channel}. Subscribe to user:NAME with the subject of your own token as NAME."
    return Problem(403, "channel-not-allowed", "This channel is another user's", detail)


def _not_publishable(error: NotPublishableError) -> Problem:
    detail = f"Found {error.channel}, to which a service publishes. Use a channel app:NAME."
    return Problem(403, "channel-not-allowed", "Clients cannot publish to this channel", detail)


def _other_subject(_: OtherSubjectError) -> Problem:
    detail = "The new token is of another user or tenant than the connection. Open another connection with it."
    return Problem(403, "other-subject", "The token is another user's", detail)


def _too_many_connections(error: TooManyConnectionsError) -> Problem:
    detail = f"You have {error.limit} connections for events open. Close one, or subscribe to more channels on one."
    return Problem(429, "too-many-connections", "Too many connections", detail, headers=retry_after(5))


def _streams_exhausted(_: StreamsExhaustedError) -> Problem:
    detail = "There are too many event streams. Use a WebSocket at /v1/ws, or try again in a few seconds."
    return Problem(503, "overloaded", "The gateway is overloaded", detail, headers=retry_after(5))


def _invalid_ticket(_: InvalidTicketError) -> Problem:
    detail = "The ticket was used, or is older than 30 s. Get a new one from POST /v1/ws/tickets."
    return Problem(401, "invalid-ticket", "The ticket is refused", detail, headers={"WWW-Authenticate": "Bearer"})


def _unknown_parameter(error: UnknownParameterError) -> Problem:
    names = ", ".join(repr(name[:100]) for name in error.names[:10])
    detail = f"Found the query parameters {names}. Only one `ticket` is known; tokens are sent in headers."
    return Problem(400, "unknown-parameter", "A query parameter is unknown", detail)


EVENTS: ProblemMap = (
    (UnknownChannelError, _unknown_channel),
    (BadFrameError, _bad_frame),
    (BadEventIdError, _bad_event_id),
    (InvalidEventError, _invalid_event),
    (ForeignChannelError, _foreign_channel),
    (NotPublishableError, _not_publishable),
    (OtherSubjectError, _other_subject),
    (TooManyConnectionsError, _too_many_connections),
    (StreamsExhaustedError, _streams_exhausted),
    (InvalidTicketError, _invalid_ticket),
    (UnknownParameterError, _unknown_parameter),
)
