"""The address of a client."""

from starlette.requests import HTTPConnection


def client_address(connection: HTTPConnection) -> str:
    """Address of the peer; the addresses in X-Forwarded-For are not believed, because anybody can send that header."""
    return connection.client.host if connection.client else "unknown"
