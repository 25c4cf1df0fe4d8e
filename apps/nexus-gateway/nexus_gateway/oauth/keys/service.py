"""Makes, rotates, withdraws and retires the signing keys. One process at a time changes them."""

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg

from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.unit_of_work import Database, UnitOfWork
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.metrics import KEY_CHANGES
from nexus_gateway.oauth.keys import repository
from nexus_gateway.oauth.keys.encryption import KeyEncryption
from nexus_gateway.oauth.keys.errors import ForeignKeyError, KeyTooFreshError, UnannouncedError, UnknownKeyError
from nexus_gateway.oauth.keys.models import KeySet, KeyState, StoredKey
from nexus_gateway.oauth.keys.ring import KeyRing
from nexus_gateway.oauth.keys.signing_key import SigningKey

_log = logging.getLogger(__name__)

type Publish = Callable[[str], Awaitable[None]]
"""Makes known to every service that the key of this id was withdrawn."""


class SigningKeyService:
    """The keys in the database, and `ring`, what this process uses of them.

    `period` is how long a key signs. Every method raises DatabaseUnavailableError and PoolExhaustedError.
    """

    def __init__(
        self, database: Database, ring: KeyRing, audit: AuditWriter, *, publish: Publish, period: timedelta
    ) -> None:
        self._database = database
        self._ring = ring
        self._audit = audit
        self._publish = publish
        self._period = period

    @property
    def _encryption(self) -> KeyEncryption:
        return self._ring.encryption

    async def prepare(self) -> None:
        """Read the keys, and make those that are missing: the secret file's is the first.

        Keys that another secret file encrypted sign no more: the file was replaced. Tokens of theirs stay valid.
        """
        async with self._database.unit_of_work() as unit:
            await repository.lock(unit.connection)
            keys = await repository.select(unit.connection, ended=True)
            if not keys.keys:
                await self._insert(unit.connection, self._encryption.file_key, KeyState.CURRENT)
            await self._take_over(unit.connection, keys)
            await self._complete(unit.connection)
        await self.read()

    async def reload(self, path: Path) -> None:
        """Read the secret file and the keys again; raises ConfigurationError too, and changes nothing then."""
        before = self._ring.encryption
        self._ring.encryption = KeyEncryption(SigningKey.load(path))
        try:
            await self.prepare()
        except BaseException:
            self._ring.encryption = before
            raise

    async def _take_over(self, connection: asyncpg.Connection, keys: KeySet) -> None:
        for state, after in ((KeyState.CURRENT, KeyState.PREVIOUS), (KeyState.NEXT, KeyState.RETIRED)):
            key = keys.only(state)
            if key is not None and not self._is_own(key):
                _log.warning("the secret file was replaced: the %s signing key %s is now %s", state, key.kid, after)
                await repository.stop(connection, key.kid, after)

    def _is_own(self, key: StoredKey) -> bool:
        try:
            self._encryption.decrypt(key.kid, key.private or "")
        except ForeignKeyError:
            return False
        return True

    async def _complete(self, connection: asyncpg.Connection) -> None:
        """Let the next key sign where none does, and make a next one where there is none."""
        keys = await repository.select(connection)
        upcoming = keys.only(KeyState.NEXT)
        if keys.only(KeyState.CURRENT) is None:
            if upcoming is not None:
                await repository.promote(connection, upcoming.kid)
                upcoming = None
            else:
                await self._insert(connection, SigningKey.generate(), KeyState.CURRENT)
        if upcoming is None:
            await self._insert(connection, SigningKey.generate(), KeyState.NEXT)

    async def _insert(self, connection: asyncpg.Connection, key: SigningKey, state: KeyState) -> None:
        await repository.insert(connection, key, self._encryption.encrypt(key), state)

    async def read(self) -> KeySet:
        """Read the keys in use, and use them from now on."""
        asked = time.monotonic()
        async with self._database.read() as connection:
            keys = await repository.select(connection)
        self._ring.take(keys, asked)
        return keys

    async def all_keys(self) -> KeySet:
        """Every key that there was."""
        async with self._database.read() as connection:
            return await repository.select(connection, ended=True)

    async def maintain(self) -> None:
        """Read the keys; rotate them when the period is over, and retire those of which no token lives."""
        keys = await self.read()
        if not keys.is_due(self._period) and not keys.retiring():
            return
        async with self._database.unit_of_work() as unit:
            await repository.lock(unit.connection)
            keys = await repository.select(unit.connection)  # another process may have been first
            for key in keys.retiring():
                await repository.stop(unit.connection, key.kid, KeyState.RETIRED)
            if keys.is_due(self._period):
                await self._rotate(unit, keys)
        await self.read()

    async def rotate(self) -> str:
        """Let the next key sign from now on; returns its id. Raises KeyTooFreshError and ForeignKeyError."""
        async with self._database.unit_of_work() as unit:
            await repository.lock(unit.connection)
            rotated = await self._rotate(unit, await repository.select(unit.connection))
        await self.read()
        return rotated

    async def _rotate(self, unit: UnitOfWork, keys: KeySet) -> str:
        current, upcoming = keys.only(KeyState.CURRENT), keys.only(KeyState.NEXT)
        if current is None or upcoming is None:
            raise UnknownKeyError(KeyState.NEXT, None)
        if seconds := keys.seconds_until_ready():
            raise KeyTooFreshError(upcoming.kid, seconds)
        self._encryption.decrypt(upcoming.kid, upcoming.private or "")
        await repository.stop(unit.connection, current.kid, KeyState.PREVIOUS)
        await self._complete(unit.connection)
        await self._audit.record_in(unit, AuditEvent("key.rotate", target=upcoming.kid, detail={"from": current.kid}))
        KEY_CHANGES.labels("rotate").inc()
        _log.info("the signing key %s follows %s", upcoming.kid, current.kid)
        return upcoming.kid

    async def withdraw(self, kid: str) -> None:
        """End every token of a key at once; where it signs, the next key does so from now on.

        A key that was withdrawn before is made known again. Raises UnknownKeyError, ForeignKeyError, and UnannouncedError
        when the key is withdrawn and the services cannot be told: they learn of it when they read the key set again.
        """
        async with self._database.unit_of_work() as unit:
            await repository.lock(unit.connection)
            keys = await repository.select(unit.connection, ended=True)
            await self._withdraw(unit, keys, kid)
        await self.read()
        try:
            with translate_redis_errors():
                await self._publish(kid)
        except (RedisUnavailableError, PoolExhaustedError) as error:
            raise UnannouncedError(kid) from error

    async def _withdraw(self, unit: UnitOfWork, keys: KeySet, kid: str) -> None:
        key = next((key for key in keys.keys if key.kid == kid), None)
        if key is None or key.state is KeyState.RETIRED:
            raise UnknownKeyError(kid, None if key is None else key.state)
        upcoming = keys.only(KeyState.NEXT)
        if key.state is KeyState.CURRENT and upcoming is not None:
            self._encryption.decrypt(upcoming.kid, upcoming.private or "")
        await repository.stop(unit.connection, kid, KeyState.WITHDRAWN)
        await self._complete(unit.connection)
        await self._audit.record_in(unit, AuditEvent("key.withdraw", target=kid, detail={"was": str(key.state)}))
        KEY_CHANGES.labels("withdraw").inc()
        _log.info("the signing key %s was withdrawn", kid)
