"""State of the six services of the stack, each asked itself."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from typing import Any

import aiohttp
import asyncpg
from redis.asyncio import Redis

from nexus_chassis.health import Health

_TIMEOUT_SECONDS = 2.0
_CACHE_SECONDS = 1.0
type State = dict[str, Any]


class StatusService:
    """Asks all services at once, at most once a second."""

    def __init__(
        self, http: aiohttp.ClientSession, pool: asyncpg.Pool, redis: Redis, own: Health, urls: Mapping[str, str]
    ) -> None:
        self._http = http
        self._pool = pool
        self._redis = redis
        self._own = own
        self._urls = urls
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._status: State = {}

    async def status(self) -> State:
        """State, version and checks of each service, and the state of the whole."""
        async with self._lock:
            if time.monotonic() - self._asked > _CACHE_SECONDS:
                self._status = await self._ask_all()
                self._asked = time.monotonic()
            return self._status

    async def _ask_all(self) -> State:
        questions: dict[str, Awaitable[State]] = {
            "postgres": self._postgres(),
            "redis": self._redis_server(),
            "nexus-gateway": self._gateway(),
            **{name: self._service(url) for name, url in self._urls.items()},
        }
        answers = await asyncio.gather(*map(_truthful, questions.values()))
        services = dict(zip(questions, answers, strict=True))
        well = all(service["status"] == "ok" for service in services.values())
        return {"status": "ok" if well else "degraded", "services": services}

    async def _postgres(self) -> State:
        return _ok((await self._pool.fetchval("SHOW server_version")).partition(" ")[0])

    async def _redis_server(self) -> State:
        return _ok((await self._redis.info("server"))["redis_version"])

    async def _gateway(self) -> State:
        report = await self._own.report()
        return {"status": report.status, "version": self._own.version, "checks": report.checks}

    async def _service(self, url: str) -> State:
        async with self._http.get(f"{url}/health") as response:
            body = await response.json(content_type=None)
            return {name: body[name] for name in ("status", "version", "checks")}


def _ok(version: str) -> State:
    return {"status": "ok", "version": version, "checks": {}}


async def _truthful(question: Awaitable[State]) -> State:
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
