"""Errors of sessions and of signing in."""


class NoSessionError(Exception):
    """The token belongs to no session."""


class WrongCredentialsError(Exception):
    """No user has this name and password; which of both is wrong is not said."""


class TooManyAttemptsError(Exception):
    """Sign-in failed too often; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("sign-in failed too often")
