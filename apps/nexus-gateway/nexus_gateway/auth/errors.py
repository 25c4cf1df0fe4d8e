"""Errors of authentication and authorisation."""

from collections.abc import Collection


class SessionEndedError(Exception):
    """The session that a token belongs to has ended, or its user's sessions were all ended."""


class PlatformOnlyError(Exception):
    """Something that only administrators of the tenant `default` may do."""


class InsufficientScopeError(Exception):
    """A principal lacks scopes; `missing` are those it needs, or of which it needs one."""

    def __init__(self, missing: Collection[str]) -> None:
        self.missing = frozenset(missing)
        super().__init__(f"lacks {' '.join(sorted(missing))}")
