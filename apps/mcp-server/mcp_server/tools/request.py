"""What a tool, a resource or a prompt knows about the request that it serves, and can send to its client."""

from collections.abc import Mapping
from typing import Any, Protocol

from nexus_chassis.tokens import Principal


class Request(Protocol):
    """A request.

    Whoever returns InputRequired runs again once the client has answered, and then finds the answers in `responses` by
    the keys of the requests, and what it kept in `state`.
    """

    @property
    def principal(self) -> Principal:
        """Who sent it."""

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the client declared that it can do."""

    @property
    def responses(self) -> Mapping[str, Any]:
        """The client's answers to the requests of earlier rounds."""

    @property
    def state(self) -> Any:  # noqa: ANN401  any JSON value
        """The state that the round before returned; None in the first one."""

    async def reserve(self, size: int) -> None:
        """Reserve memory for an answer of `size` bytes until the request ends; raises RpcError when there is none."""

    async def progress(self, value: float, total: float | None = None, message: str | None = None) -> None:
        """Report how far the work is; `value` grows with each report."""

    async def log(self, level: str, data: object, logger: str = "nexus") -> None:
        """Send a log message, a JSON value, to the client; `level` is one of RFC 5424, such as "info"."""
