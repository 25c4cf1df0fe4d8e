"""What ended before its tokens expire: sessions, all older tokens of a subject, and keys.

The gateway appends each to a Redis Stream (`revocation_stream`) and answers what is new by long polls; every other
service follows that answer (`follow_revocations`), so that it refuses such tokens, and ends open connections, within a
fraction of a second. Ids of sessions and of subjects travel as SHA-256, so that reading them reveals neither.
"""

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import aiohttp
from cachetools import TTLCache

from nexus_chassis.background import in_background
from nexus_chassis.channels import START
from nexus_chassis.http import create_http_session
from nexus_chassis.issuer_keys import read_json_answer
from nexus_chassis.principal import Principal

MAX_WAIT_SECONDS = 20
"""How long the gateway may hold an answer back until there is something new."""

KEPT_SECONDS = 900
"""How long what ended is kept: longer than any token lives."""

PAUSE_SECONDS = 1.0
"""Between answers that come at once and have nothing new: a gateway with too many waiters answers so."""

_MAX_ENTRIES = 100_000
_CACHED_HASHES = 8192
_GRACE_SECONDS = 3.0
_RETRY_SECONDS = 0.3
_MAX_RETRY_SECONDS = 2.0
_log = logging.getLogger(__name__)

type Fetch = Callable[[str, float], Awaitable[Any]]
"""Returns the JSON value at a URL, within so many seconds."""


@dataclass(frozen=True, slots=True)
class RevocationPage:
    """What ended after a cursor, and the cursor that the next page comes after.

    `sessions` are SHA-256 in hexadecimal, as are the names in `subjects`, whose tokens of a lower epoch ended. `keys` are
    ids of keys that were withdrawn.
    """

    cursor: str
    sessions: Sequence[str] = field(default_factory=list)
    subjects: Mapping[str, int] = field(default_factory=dict)
    keys: Sequence[str] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """As the gateway answers it and `follow_revocations` reads it."""
        return {
            "sessions": list(self.sessions),
            "subjects": dict(self.subjects),
            "keys": list(self.keys),
            "cursor": self.cursor,
        }

    @classmethod
    def parse(cls, body: object) -> Self:
        """The page of an answer; raises ValueError."""
        match body:
            case {"sessions": list(sessions), "subjects": dict(subjects), "keys": list(keys), "cursor": str(cursor)}:
                if _are(str, [*sessions, *keys]) and _are(int, subjects.values()):
                    return cls(cursor, sessions, subjects, keys)
        raise ValueError("it is not a page of revocations")


def _are(kind: type, values: Iterable[object]) -> bool:
    return all(type(value) is kind for value in values)


@lru_cache(_CACHED_HASHES)
def revocation_hash(name: str) -> str:
    """What stands for the id of a session or of a subject outside the gateway."""
    return hashlib.sha256(name.encode()).hexdigest()


class Revocations:
    """What ended, as far as this process knows, and who wants to know when more does."""

    def __init__(self) -> None:
        self._sessions: TTLCache[str, bool] = TTLCache(_MAX_ENTRIES, KEPT_SECONDS)
        self._epochs: TTLCache[str, int] = TTLCache(_MAX_ENTRIES, KEPT_SECONDS)
        self._keys: TTLCache[str, bool] = TTLCache(_MAX_ENTRIES, KEPT_SECONDS)
        self._watches: dict[str, set[Callable[[], None]]] = {}
        self._on_withdrawal: list[Callable[[str], None]] = []

    def reason(self, principal: Principal) -> str | None:
        """Why the principal's token has ended; None while it is not known to have."""
        if principal.key_id in self._keys:
            return "its key was withdrawn"
        if principal.session and revocation_hash(principal.session) in self._sessions:
            return "its session was ended"
        if self._epochs.get(revocation_hash(principal.subject), 0) > principal.session_epoch:
            return "its session was ended, or its user's rights were changed"
        return None

    def add(self, page: RevocationPage) -> None:
        """Learn what a page has."""
        self._sessions.update(dict.fromkeys(page.sessions, True))
        for subject, epoch in page.subjects.items():
            self._epochs[subject] = max(epoch, self._epochs.get(subject, 0))
        for key_id in page.keys:
            self._keys[key_id] = True
            for withdraw in self._on_withdrawal:
                withdraw(key_id)
        for name in (*page.sessions, *page.subjects, *map(_key_name, page.keys)):
            for wake in list(self._watches.get(name, ())):
                wake()

    def on_withdrawal(self, withdraw: Callable[[str], None]) -> None:
        """Call `withdraw` with the id of each key that is withdrawn from now on."""
        self._on_withdrawal.append(withdraw)

    @contextmanager
    def watching(self, principal: Principal, wake: Callable[[], None]) -> Iterator[None]:
        """While the block runs, call `wake` when the principal's token may have ended; `reason` says whether it has.

        Each watch needs a `wake` of its own.
        """
        names = [_key_name(principal.key_id), revocation_hash(principal.subject)]
        if principal.session:
            names.append(revocation_hash(principal.session))
        for name in names:
            self._watches.setdefault(name, set()).add(wake)
        try:
            yield
        finally:
            for name in names:
                self._watches[name].discard(wake)
                if not self._watches[name]:
                    del self._watches[name]


def _key_name(key_id: str) -> str:
    return f"key {key_id}"


@asynccontextmanager
async def follow_revocations(url: str, revocations: Revocations) -> AsyncIterator[None]:
    """Read into `revocations` what ended so far, and while the block runs what ends from then on, as the gateway has it.

    While the gateway is away what is known stays; what ended meanwhile follows when it is back.
    """
    async with create_http_session() as http:

        async def fetch(address: str, seconds: float) -> object:
            async with http.get(address, timeout=aiohttp.ClientTimeout(total=seconds, connect=2.0)) as response:
                response.raise_for_status()
                return await read_json_answer(response)

        follower = RevocationFollower(url, revocations, fetch)
        await follower.catch_up()
        async with in_background(follower.run()):
            yield


class RevocationFollower:
    """Reads pages at `url` into `revocations`."""

    def __init__(self, url: str, revocations: Revocations, fetch: Fetch) -> None:
        self._url = url
        self._revocations = revocations
        self._fetch = fetch
        self._cursor = START
        self._failures = 0

    async def catch_up(self) -> None:
        """Read every page that there is now."""
        while await self.read(0):
            pass

    async def run(self) -> None:
        """Read each page as soon as there is one."""
        while True:
            started = time.monotonic()
            if not await self.read(MAX_WAIT_SECONDS):
                await asyncio.sleep(self._pause(time.monotonic() - started))

    async def read(self, wait: int) -> bool:
        """Read the next page, which may take `wait` seconds to come; returns whether it has anything new."""
        address = f"{self._url}?after={self._cursor}&wait={wait}"
        try:
            page = RevocationPage.parse(await self._fetch(address, wait + _GRACE_SECONDS))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if not self._failures:
                _log.warning("cannot read ended sessions at %s: %r", self._url, error)
            self._failures += 1
            return False
        self._failures = 0
        self._revocations.add(page)
        moved = page.cursor != self._cursor
        self._cursor = page.cursor
        return moved

    def _pause(self, waited: float) -> float:
        """Seconds until the next attempt. They differ, so that not all services come back to a gateway at once."""
        if self._failures:
            longest = min(_MAX_RETRY_SECONDS, _RETRY_SECONDS * 2.0 ** min(self._failures, 8))
            return random.uniform(0.5, 1.0) * longest  # noqa: S311  no secret
        if waited < PAUSE_SECONDS:
            return random.uniform(0.5, 1.0) * PAUSE_SECONDS  # noqa: S311  no secret
        return 0.0
