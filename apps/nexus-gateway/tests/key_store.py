"""The signing keys of a gateway, without the gateway."""

import json
import time
from datetime import timedelta
from typing import Any

from nexus_chassis.tokens import TokenVerifier
from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.oauth.keys.encryption import KeyEncryption
from nexus_gateway.oauth.keys.models import KeySet
from nexus_gateway.oauth.keys.ring import KeyRing
from nexus_gateway.oauth.keys.service import SigningKeyService
from nexus_gateway.oauth.keys.signing_key import SigningKey

ISSUER = "http://localhost:8000"
PERIOD = timedelta(days=30)


class Replica:
    """What one gateway process has of the signing keys."""

    def __init__(self, database: Database, file_key: SigningKey) -> None:
        self.published: list[str] = []
        self.redis_is_away = False
        self.database = database
        self.ring = KeyRing(KeyEncryption(file_key))
        self.service = SigningKeyService(
            database, self.ring, AuditWriter(database), publish=self._publish, period=PERIOD
        )
        self._verifier = TokenVerifier(ISSUER, "nexus-gateway", self.ring)

    async def _publish(self, kid: str) -> None:
        if self.redis_is_away:
            raise ConnectionRefusedError
        self.published.append(kid)

    def sign(self) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": "nexus-gateway", "sub": "alice", "client_id": "nexus", "jti": "1"}
        return self.ring.sign(claims | {"iat": now, "exp": now + 600})

    async def accepts(self, token: str) -> str:
        """The subject of the token; raises what the verifier does."""
        return (await self._verifier.verify(token)).subject

    async def keys(self) -> KeySet:
        return await self.service.all_keys()

    async def states(self) -> dict[str, str]:
        """State of each key by its id."""
        return {key.kid: str(key.state) for key in (await self.keys()).keys}

    async def kid(self, state: str) -> str:
        """The id of the only key in this state."""
        (kid,) = [kid for kid, found in (await self.states()).items() if found == state]
        return kid

    async def age(self, by: timedelta) -> None:
        """Make all that happened to the keys so much longer ago."""
        async with self.database.read() as connection:
            await connection.execute(
                "UPDATE signing_keys SET created_at = created_at - $1::interval, "
                "signed_from = signed_from - $1::interval, signed_until = signed_until - $1::interval",
                by,
            )

    async def audited(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Action, target and detail of what was recorded, the oldest first."""
        async with self.database.read() as connection:
            rows = await connection.fetch("SELECT action, target, detail FROM audit_events ORDER BY seq")
        return [(row["action"], row["target"], json.loads(row["detail"])) for row in rows]

    async def row(self, kid: str) -> dict[str, Any]:
        async with self.database.read() as connection:
            return dict(await connection.fetchrow("SELECT * FROM signing_keys WHERE kid = $1", kid))
