"""The address of a client."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection


def client_address(connection: HTTPConnection) -> str:
    """Address of the peer; the addresses in X-Forwarded-For are not believed, because anybody can send that header."""
    return connection.client.host if connection.client else "unknown"


async def get_client_address(connection: HTTPConnection) -> str:
    """`client_address` as a dependency."""
    return client_address(connection)


ClientAddress = Annotated[str, Depends(get_client_address)]
