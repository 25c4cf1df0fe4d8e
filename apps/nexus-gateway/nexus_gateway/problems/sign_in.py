"""Problems of signing in: passwords, sessions and external logins."""

from nexus_chassis.problems import Problem, ProblemMap
from nexus_gateway.auth.errors import PasswordQueueFullError
from nexus_gateway.oidc.errors import UnknownProviderError
from nexus_gateway.problems.wording import retry_after
from nexus_gateway.sessions.errors import (
    FirstPartyOnlyError,
    InvalidRefreshTokenError,
    NoSessionError,
    TooManyAttemptsError,
    WrongCredentialsError,
)
from nexus_gateway.users.errors import InvalidResetTokenError, WeakPasswordError, WrongPasswordError


def _wrong_credentials(_: WrongCredentialsError) -> Problem:
    detail = "No user has this name and password. Check the spelling of both."
    return Problem(401, "wrong-credentials", "Sign-in failed", detail, headers={"WWW-Authenticate": "Bearer"})


def _too_many_attempts(error: TooManyAttemptsError) -> Problem:
    detail = f"Sign-in failed too often from here. Try again in {error.retry_after} s."
    return Problem(429, "too-many-attempts", "Too many attempts", detail, headers=retry_after(error.retry_after))


def _password_queue_full(error: PasswordQueueFullError) -> Problem:
    detail = f"Too many sign-ins are checked at once. Try again in {error.retry_after} s."
    return Problem(503, "overloaded", "The gateway is overloaded", detail, headers=retry_after(error.retry_after))


def _weak_password(error: WeakPasswordError) -> Problem:
    return Problem(400, "weak-password", "The new password is refused", error.reason)


def _wrong_password(_: WrongPasswordError) -> Problem:
    detail = "The current password is another one. Check its spelling, or ask an administrator for a link to reset it."
    return Problem(403, "wrong-password", "The current password is wrong", detail)


def _invalid_reset_token(_: InvalidResetTokenError) -> Problem:
    detail = "The link was used, has expired, or the password was set since. Ask an administrator for a new one."
    return Problem(400, "invalid-reset-token", "The link is not valid", detail)


def _no_session(_: NoSessionError) -> Problem:
    detail = "The token belongs to no session, or you have none of this id. GET /v1/sessions lists yours."
    return Problem(404, "no-session", "There is no session", detail)


def _invalid_refresh_token(_: InvalidRefreshTokenError) -> Problem:
    detail = "It was used already, or its session has ended. Sign in at POST /v1/sessions."
    headers = {"WWW-Authenticate": "Bearer"}
    return Problem(401, "invalid-refresh-token", "The refresh token is not valid", detail, headers=headers)


def _first_party_only(_: FirstPartyOnlyError) -> Problem:
    detail = "This token was issued to a client that acts for the user. Sign in at POST /v1/sessions."
    return Problem(403, "first-party-only", "Only the user may do this", detail)


def _unknown_provider(_: UnknownProviderError) -> Problem:
    detail = "Nobody of that name signs users in here. Choose one on the login page."
    return Problem(404, "unknown-provider", "There is no such provider", detail)


SIGN_IN: ProblemMap = (
    (WrongCredentialsError, _wrong_credentials),
    (TooManyAttemptsError, _too_many_attempts),
    (PasswordQueueFullError, _password_queue_full),
    (WeakPasswordError, _weak_password),
    (WrongPasswordError, _wrong_password),
    (InvalidResetTokenError, _invalid_reset_token),
    (NoSessionError, _no_session),
    (InvalidRefreshTokenError, _invalid_refresh_token),
    (FirstPartyOnlyError, _first_party_only),
    (UnknownProviderError, _unknown_provider),
)
