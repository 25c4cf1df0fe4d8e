"""The signing keys as they are stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from nexus_chassis.tokens import ALGORITHM

CACHE_SECONDS = 300
"""How long the published keys may be cached, as their Cache-Control says and the services do."""

PUBLISHED_BEFORE = timedelta(seconds=2 * CACHE_SECONDS + 60)
"""How long a key is published before it signs: a service's cache on top of that of a proxy, and a margin."""

LEASE_SECONDS = 3600
"""How long a worker that cannot read the keys goes on signing with the one it knows."""

MAX_TOKEN_SECONDS = 600
"""How long an access token is valid at most."""

PUBLISHED_AFTER = timedelta(seconds=LEASE_SECONDS + MAX_TOKEN_SECONDS + 60)
"""How long a key stays published after it was replaced: the last worker to learn of that, its last token, a margin."""


class KeyState(StrEnum):
    """A key is published as `next`, signs as `current`, verifies as `previous`, and ends `retired` or `withdrawn`."""

    NEXT = "next"
    CURRENT = "current"
    PREVIOUS = "previous"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


PUBLISHED = (KeyState.CURRENT, KeyState.NEXT, KeyState.PREVIOUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key. `public` is the `x` of its JWK, `private` a JWE, while the key may sign."""

    kid: str
    state: KeyState
    public: str
    private: str | None
    created: datetime
    signed_from: datetime | None
    signed_until: datetime | None

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as a JWK (RFC 8037 section 2)."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": ALGORITHM,
            "use": "sig",
            "x": self.public,
            "kid": self.kid,
        }


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys at `now`, the database's time, the oldest first."""

    now: datetime
    keys: tuple[StoredKey, ...]

    def only(self, state: KeyState) -> StoredKey | None:
        """The key in a state that one key at most is in."""
        return next((key for key in self.keys if key.state is state), None)

    @property
    def published(self) -> list[StoredKey]:
        """The keys by which tokens may be verified, the current one first."""
        return sorted((key for key in self.keys if key.state in PUBLISHED), key=lambda key: PUBLISHED.index(key.state))

    @property
    def jwks(self) -> dict[str, Any]:
        """The published keys as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [key.jwk for key in self.published]}

    def seconds_until_ready(self) -> int:
        """Seconds until the next key may sign; 0 when it may."""
        upcoming = self.only(KeyState.NEXT)
        left = timedelta(0) if upcoming is None else upcoming.created + PUBLISHED_BEFORE - self.now
        return max(0, -(-left // timedelta(seconds=1)))

    def is_due(self, period: timedelta) -> bool:
        """Whether the current key has signed for a whole period, and the next one may sign."""
        current = self.only(KeyState.CURRENT)
        if current is None or current.signed_from is None or self.only(KeyState.NEXT) is None:
            return False
        return self.now >= current.signed_from + period and not self.seconds_until_ready()

    def retiring(self) -> list[StoredKey]:
        """The previous keys of which no token lives any more."""
        return [
            key
            for key in self.keys
            if key.state is KeyState.PREVIOUS and key.signed_until and self.now >= key.signed_until + PUBLISHED_AFTER
        ]
