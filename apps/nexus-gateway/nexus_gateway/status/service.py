"""State of the six services of the stack, each asked itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from redis.asyncio import Redis

from nexus_chassis.health import Health
from nexus_chassis.unit_of_work import Database

_TIMEOUT_SECONDS = 2.0
_CACHE_SECONDS = 1.0
_PUBLIC = ("status", "latency_ms")
type State = dict[str, Any]
type TokenFor = Callable[[str], str]
"""The token with which to ask the service of that name."""


class StatusService:
    """Asks all services at once, at most once a second. `http` is for these questions alone."""

    def __init__(
        self, http: aiohttp.ClientSession, database: Database, redis: Redis, own: Health, urls: Mapping[str, str]
    ) -> None:
        self._http = http
        self._database = database
        self._redis = redis
        self._own = own
        self._urls = urls
        self._public = _Cached()
        self._detailed = _Cached()

    async def public(self) -> State:
        """State of each service, and of the whole: what anybody may know."""
        state = await self._public.get(lambda: self._ask_all(None))
        services = {name: {key: value[key] for key in _PUBLIC} for name, value in state["services"].items()}
        return state | {"services": services}

    async def detailed(self, token_for: TokenFor) -> State:
        """State, version, checks and errors of each service, asked with the tokens of somebody who may know them."""
        return await self._detailed.get(lambda: self._ask_all(token_for))

    async def _ask_all(self, token_for: TokenFor | None) -> State:
        questions: dict[str, Awaitable[State]] = {
            "postgres": self._postgres(),
            "redis": self._redis_server(),
            "nexus-gateway": self._gateway(),
            **{name: self._service(url, token_for and token_for(name)) for name, url in self._urls.items()},
        }
        answers = await asyncio.gather(*map(_probe, questions.values()))
        services = dict(zip(questions, answers, strict=True))
        well = all(service["status"] == "ok" for service in services.values())
        return {"status": "ok" if well else "degraded", "services": services}

    async def _postgres(self) -> State:
        async with self._database.read() as connection:
            return _ok((await connection.fetchval("SHOW server_version")).partition(" ")[0])

    async def _redis_server(self) -> State:
        return _ok((await self._redis.info("server"))["redis_version"])

    async def _gateway(self) -> State:
        report = await self._own.report()
        return {"status": report.status, "version": self._own.version, "checks": report.checks}

    async def _service(self, url: str, token: str | None) -> State:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._http.get(f"{url}/health", headers=headers) as response:
            body = await response.json(content_type=None)
            return {"status": body["status"], "version": body.get("version"), "checks": body["checks"]}


class _Cached:
    """An answer that is reused for a second; who asks meanwhile waits for the same one."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._state: State = {}

    async def get(self, ask: Callable[[], Awaitable[State]]) -> State:
        async with self._lock:
            if time.monotonic() - self._asked > _CACHE_SECONDS:
                self._state = await ask()
                self._asked = time.monotonic()
            return self._state


def _ok(version: str) -> State:
    return {"status": "ok", "version": version, "checks": {}}


async def _probe(question: Awaitable[State]) -> State:
    """The answer with its latency; no answer is an answer too."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            state = await question
    except TimeoutError:
        state = _away(f"no answer within {_TIMEOUT_SECONDS:g} s")
    except (KeyError, TypeError, ValueError):
        state = _away("its health answer is not understood")
    except Exception as error:  # noqa: BLE001  whatever kept it from answering is the answer
        state = _away(type(error).__name__)
    return state | {"latency_ms": round((time.perf_counter() - started) * 1000, 1)}


def _away(error: str) -> State:
    return {"status": "unavailable", "version": None, "checks": {}, "error": error}
