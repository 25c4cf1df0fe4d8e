"""What a tenant is."""

from dataclasses import dataclass

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the platform. `created_at` is in seconds since 1970."""

    id: str
    name: str
    created_at: int
