"""What a role is."""

from dataclasses import dataclass

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"


@dataclass(frozen=True, slots=True)
class Role:
    """A name for a set of scopes."""

    name: str
    scopes: frozenset[str]
