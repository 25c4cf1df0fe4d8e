"""Errors of external login."""


class InvalidIdTokenError(Exception):
    """An ID token is not one that is accepted here; the text is the reason."""


class ProviderUnavailableError(Exception):
    """A provider cannot be used now: it is away, or its answers are wrong; `reason` is for the log, not for users."""

    def __init__(self, label: str, reason: str) -> None:
        self.label = label
        self.reason = reason
        super().__init__(f"{label}: {reason}")


class UnknownProviderError(Exception):
    """There is no provider of that name."""


class ExternalLoginError(Exception):
    """A login by a provider has failed; the text says why, for the login page. `reason` is a word for the audit log."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)
