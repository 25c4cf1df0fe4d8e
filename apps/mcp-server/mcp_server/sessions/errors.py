"""Why a session cannot be used."""


class SessionNotFoundError(Exception):
    """There is no such session of this user; it may have ended."""


class TooManySessionsError(Exception):
    """A user has `limit` sessions already."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit
