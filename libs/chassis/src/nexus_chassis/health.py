"""Health of a service, from real round trips to what it depends on."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse

from nexus_chassis.routing import Router

if TYPE_CHECKING:
    from nexus_chassis.drain import Drain

type CheckFunction = Callable[[], Coroutine[Any, Any, object]]
"""Makes one round trip to a dependency; raises when the dependency does not do its job."""

CACHE_SECONDS = 1.0
_ERROR_LENGTH = 200


@dataclass
class _Check:
    run: CheckFunction
    critical: bool
    timeout: float


@dataclass
class Report:
    """State of a service at one moment; `checks` is in the form that /health answers."""

    status: str
    checks: dict[str, dict[str, Any]]
    made: float = field(default_factory=time.monotonic)


class Health:
    """The checks of one service and the routes that tell their outcome."""

    def __init__(self, service: str, version: str) -> None:
        self.service = service
        self.version = version
        self._checks: dict[str, _Check] = {}
        self._report: Report | None = None
        self._lock = asyncio.Lock()
        self.drain: Drain | None = None

    def add(self, name: str, check: CheckFunction, *, critical: bool, timeout: float = 1.0) -> None:
        """Add a check. `critical`: the service cannot do its job without it. `timeout` is in seconds."""
        self._checks[name] = _Check(check, critical, timeout)

    async def report(self) -> Report:
        """The state of the service, at most one second old."""
        async with self._lock:
            if self._report is None or time.monotonic() - self._report.made > CACHE_SECONDS:
                self._report = await self._examine()
            return self._report

    async def _examine(self) -> Report:
        results = await asyncio.gather(*(_examine(check) for check in self._checks.values()))
        checks = dict(zip(self._checks, results, strict=True))
        failed = [check for name, check in self._checks.items() if checks[name]["status"] == "failed"]
        if any(check.critical for check in failed):
            return Report("unavailable", checks)
        return Report("degraded" if failed else "ok", checks)

    def router(self) -> Router:
        """Routes /livez, /readyz and /health."""
        router = Router(tags=["health"])
        router.add_api_route("/livez", self._livez, summary="The process answers")
        router.add_api_route("/readyz", self._readyz, summary="The service may take traffic")
        router.add_api_route("/health", self._health, summary="State of the service and of what it depends on")
        return router

    async def _livez(self) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def _readyz(self) -> JSONResponse:
        if self.drain is not None and self.drain.started:
            return JSONResponse({"status": "draining"}, 503, headers={"Cache-Control": "no-store"})
        report = await self.report()
        return _answer(report, {"status": report.status})

    async def _health(self) -> JSONResponse:
        report = await self.report()
        body = {"status": report.status, "service": self.service, "version": self.version, "checks": report.checks}
        return _answer(report, body)


def _answer(report: Report, body: dict[str, Any]) -> JSONResponse:
    status = 503 if report.status == "unavailable" else 200
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})


async def _examine(check: _Check) -> dict[str, Any]:
    started = time.perf_counter()
    error = await _failure(check)
    latency = round((time.perf_counter() - started) * 1000, 1)
    if error is None:
        return {"status": "ok", "latency_ms": latency}
    return {"status": "failed", "latency_ms": latency, "error": error}


async def _failure(check: _Check) -> str | None:
    running = asyncio.create_task(check.run())
    try:
        await asyncio.wait({running}, timeout=check.timeout)
        if not running.done():
            return f"no answer within {check.timeout:g} s"
    finally:
        # Its end is not awaited: asyncpg asks the server to cancel the query, and waits while that one hangs too.
        running.cancel()
        running.add_done_callback(_forget)
    failure = None if running.cancelled() else running.exception()
    return None if failure is None else f"{type(failure).__name__}: {failure}"[:_ERROR_LENGTH]


def _forget(ended: asyncio.Task[object]) -> None:
    if not ended.cancelled():
        ended.exception()
