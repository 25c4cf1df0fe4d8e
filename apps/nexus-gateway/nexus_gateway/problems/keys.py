"""Problems of the keys that sign access tokens."""

from nexus_chassis.problems import Problem, ProblemMap
from nexus_gateway.oauth.keys.errors import (
    ForeignKeyError,
    KeyTooFreshError,
    SigningKeysUnavailableError,
    UnannouncedError,
    UnknownKeyError,
)
from nexus_gateway.problems.wording import retry_after


def _signing_keys_unavailable(_: SigningKeysUnavailableError) -> Problem:
    return Problem(
        503,
        "signing-keys-unavailable",
        "Access tokens cannot be issued now",
        "The keys that sign them cannot be read. Try again in a few seconds. /health shows the state of the gateway.",
        headers=retry_after(5),
    )


def _key_too_fresh(error: KeyTooFreshError) -> Problem:
    headers = retry_after(error.seconds)
    return Problem(409, "key-too-fresh", "The next key cannot sign yet", str(error), headers=headers)


def _foreign_key(error: ForeignKeyError) -> Problem:
    return Problem(409, "foreign-key", "The signing key cannot be decrypted", str(error))


def _unknown_key(error: UnknownKeyError) -> Problem:
    return Problem(404, "unknown-key", "There is no such signing key", str(error))


def _unannounced(error: UnannouncedError) -> Problem:
    return Problem(503, "unannounced", "The services were not told", str(error), headers=retry_after(5))


KEYS: ProblemMap = (
    (SigningKeysUnavailableError, _signing_keys_unavailable),
    (KeyTooFreshError, _key_too_fresh),
    (ForeignKeyError, _foreign_key),
    (UnknownKeyError, _unknown_key),
    (UnannouncedError, _unannounced),
)
