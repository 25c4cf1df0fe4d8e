"""Why a session cannot be used."""

from mcp_server.protocol.errors import OVERLOADED, RpcError


class SessionNotFoundError(Exception):
    """There is no such session of this user; it may have ended."""


class TooManySessionsError(RpcError):
    """A user has `limit` sessions already."""

    def __init__(self, limit: int) -> None:
        super().__init__(OVERLOADED, f"You have {limit} sessions. End those that you no longer need, by DELETE /mcp.")
