"""Errors of users and passwords."""

from collections.abc import Iterable


class NoSuchUserError(Exception):
    """There is no such user, or not in a tenant that the requester administers; `user` is the id or name asked for."""

    def __init__(self, user: str) -> None:
        self.user = user
        super().__init__(f"no user {user!r}")


class UsernameTakenError(Exception):
    """A user of this name exists, maybe in another tenant."""

    def __init__(self, username: str) -> None:
        self.username = username
        super().__init__(f"the user name {username} is taken")


class UnknownTenantError(Exception):
    """There is no tenant with this id."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        super().__init__(f"no tenant {tenant!r}")


class UnknownRoleError(Exception):
    """There are no roles of these names."""

    def __init__(self, roles: Iterable[str]) -> None:
        self.roles = sorted(roles)
        super().__init__(f"no roles {' '.join(self.roles)}")


class LastAdministratorError(Exception):
    """The change would leave the platform without an enabled administrator."""


class ChangedMeanwhileError(Exception):
    """The user is not what the requester saw: somebody changed them since. `version` is the current one."""

    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"the current version is {version}")


class WeakPasswordError(Exception):
    """A new password is refused; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class WrongPasswordError(Exception):
    """The current password is another one."""


class InvalidResetTokenError(Exception):
    """The token of a password reset was used, has expired, or was never made."""
