"""Errors of roles."""

from collections.abc import Iterable


class NoSuchRoleError(Exception):
    """There is no role of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no role {name!r}")


class BuiltInRoleError(Exception):
    """The role is the gateway's own, and stays as it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the role {name} is built in")


class RoleInUseError(Exception):
    """Users have the role: so many of them."""

    def __init__(self, name: str, users: int) -> None:
        self.name = name
        self.users = users
        super().__init__(f"{users} users have the role {name}")


class UnknownScopeError(Exception):
    """Roles cannot have these scopes; `known` are those that they can."""

    def __init__(self, scopes: Iterable[str], known: Iterable[str]) -> None:
        self.scopes = sorted(scopes)
        self.known = sorted(known)
        super().__init__(f"unknown scopes {' '.join(self.scopes)}")
