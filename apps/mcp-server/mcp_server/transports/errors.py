"""Why a connection or a request is refused before its message is read."""


class SubprotocolMissingError(Exception):
    """The client of a WebSocket did not offer the subprotocol `subprotocol`."""

    def __init__(self, subprotocol: str) -> None:
        super().__init__(subprotocol)
        self.subprotocol = subprotocol


class JsonNotAcceptedError(Exception):
    """The client does not accept JSON."""


class EventsNotAcceptedError(Exception):
    """The client does not accept server-sent events."""


class SessionMissingError(Exception):
    """The request names no session, and is about one."""


class HostNotAllowedError(Exception):
    """The request is for another host than this service is known by."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host
