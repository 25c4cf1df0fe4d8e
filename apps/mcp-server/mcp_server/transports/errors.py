"""Why a connection or a request is refused before its message is read."""


class SubprotocolMissingError(Exception):
    """The client of a WebSocket did not offer the subprotocol `subprotocol`."""

    def __init__(self, subprotocol: str) -> None:
        super().__init__(subprotocol)
        self.subprotocol = subprotocol


class JsonNotAcceptedError(Exception):
    """The client does not accept JSON."""
