"""What the built-in tools need of another service."""

from collections.abc import Mapping
from typing import Any, Protocol

from mcp_server.tools.request import Request


class Upstream(Protocol):
    """A service that tools call."""

    @property
    def scope(self) -> str:
        """The scope that a token needs there."""

    async def request(
        self,
        method: str,
        path: str,
        request: Request,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Call the service on behalf of `request` and return the JSON of its answer."""

    async def tagged_request(self, method: str, path: str, request: Request) -> tuple[Any, str | None]:
        """Do the same, and return the ETag of the answer beside it."""


def without_nulls(value: Any) -> object:  # noqa: ANN401 - any JSON value
    """Leave out members that are null, so that no schema needs a union of types, which some clients refuse."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(member) for member in value]
    return value


def present(row: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Leave out the null members of a row or page alone, for the same reason: what is within them is the user's."""
    return {name: value for name, value in row.items() if value is not None} if isinstance(row, dict) else row
