"""Errors of the signing keys."""


class SigningKeysUnavailableError(Exception):
    """No token can be signed now: the keys were never read, not for too long, or cannot be decrypted."""


class ForeignKeyError(Exception):
    """The key `kid` in the database cannot be decrypted with the secret file, whose key is `file_kid`."""

    def __init__(self, kid: str, file_kid: str) -> None:
        self.kid = kid
        self.file_kid = file_kid
        super().__init__(
            f"The signing key {kid} was encrypted with another secret file than this one, whose key is {file_kid}. "
            "Use the same NEXUS_SIGNING_KEY_FILE everywhere; a gateway that starts takes the new file over."
        )


class KeyTooFreshError(Exception):
    """The next key `kid` was published too short a time ago to sign; it may in `seconds`."""

    def __init__(self, kid: str, seconds: int) -> None:
        self.kid = kid
        self.seconds = seconds
        super().__init__(
            f"The next key {kid} is not known everywhere yet. Rotate in {seconds} s; "
            "if the current key leaked, withdraw it instead."
        )


class UnannouncedError(Exception):
    """The key `kid` was withdrawn, and the services could not be told at once."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        super().__init__(
            f"The signing key {kid} was withdrawn, but Redis does not answer, so that services may accept its tokens for "
            "five minutes more. Repeat the command once Redis answers: they refuse them at once then."
        )


class UnknownKeyError(Exception):
    """There is no key `kid`, or it signs and verifies nothing any more: `state`."""

    def __init__(self, kid: str, state: str | None) -> None:
        self.kid = kid
        self.state = state
        found = "There is no signing key" if state is None else f"Its tokens have ended: the {state} signing key"
        super().__init__(f"{found} {kid}. `keys list` shows those in use.")
