"""Errors of sessions and of signing in."""


class NoSessionError(Exception):
    """The token belongs to no session, or the user has no session of the id that was named."""


class InvalidRefreshTokenError(Exception):
    """A refresh token is not valid: unknown, used already, of another client, or its session or user is gone."""


class FirstPartyOnlyError(Exception):
    """A client that acts for a user asked for something that only users do who signed in at the gateway itself."""


class WrongCredentialsError(Exception):
    """No user has this name and password; which of both is wrong is not said."""


class TooManyAttemptsError(Exception):
    """Sign-in failed too often; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("sign-in failed too often")
