"""Health of a service, from real round trips to what it depends on."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import JSONResponse

from nexus_chassis.openapi import ANYBODY, ANYBODY_OR_TOKEN
from nexus_chassis.routing import Router
from nexus_chassis.tokens import authenticate

if TYPE_CHECKING:
    from nexus_chassis.drain import Drain

type CheckFunction = Callable[[], Coroutine[Any, Any, object]]
"""Makes one round trip to a dependency; raises when the dependency does not do its job."""

ADMIN_SCOPE = "admin"
"""Scope of a token that may read versions and the errors of checks at /health."""

CACHE_SECONDS = 1.0
_ERROR_LENGTH = 200
_READY = frozenset({"ok", "degraded"})
_STATE: dict[str, Any] = {"responses": {503: {"description": "It may not", "content": {"application/json": {}}}}}
_log = logging.getLogger(__name__)


@dataclass
class _Check:
    run: CheckFunction
    critical: bool
    timeout: float


@dataclass
class Report:
    """State of a service at one moment. A failed check has an `error`, which may name hosts and roles."""

    status: str
    checks: dict[str, dict[str, Any]]
    made: float = field(default_factory=time.monotonic)

    def public_checks(self) -> dict[str, dict[str, Any]]:
        """The checks without the texts of their errors."""
        return {
            name: {part: value for part, value in check.items() if part != "error"}
            for name, check in self.checks.items()
        }


class Health:
    """The checks of one service and the routes that report their outcome.

    `drain` is set by `build_app`: once it has started, the service is not ready.
    """

    def __init__(self, service: str, version: str) -> None:
        self.service = service
        self.version = version
        self._checks: dict[str, _Check] = {}
        self._openings: list[Callable[[], bool]] = []
        self._report: Report | None = None
        self._lock = asyncio.Lock()
        self.drain: Drain | None = None

    def add(self, name: str, check: CheckFunction, *, critical: bool, timeout: float = 1.0) -> None:
        """Add a check. `critical`: the service cannot do its job without it. `timeout` is in seconds."""
        self._checks[name] = _Check(check, critical, timeout)

    def wait_for(self, is_open: Callable[[], bool]) -> None:
        """Keep the service from being ready until `is_open` returns True, for instance `lambda: database.opened`."""
        self._openings.append(is_open)

    def clear(self) -> None:
        """Forget the checks, and what the service waits for."""
        self._checks.clear()
        self._openings.clear()

    async def readiness(self) -> str:
        """`ok` or `degraded` where the service may take traffic; otherwise `draining`, `starting` or `unavailable`."""
        if self.drain is not None and self.drain.started:
            return "draining"
        return (await self.report()).status

    async def report(self) -> Report:
        """The state of the service, at most one second old."""
        async with self._lock:
            if self._report is None or time.monotonic() - self._report.made > CACHE_SECONDS:
                self._report = await self._examine()
            return self._report

    async def _examine(self) -> Report:
        results = await asyncio.gather(*(_examine(check) for check in self._checks.values()))
        checks = dict(zip(self._checks, results, strict=True))
        self._log_changes(checks)
        if not all(is_open() for is_open in self._openings):
            return Report("starting", checks)
        failed = [check for name, check in self._checks.items() if checks[name]["status"] == "failed"]
        if any(check.critical for check in failed):
            return Report("unavailable", checks)
        return Report("degraded" if failed else "ok", checks)

    def _log_changes(self, checks: dict[str, dict[str, Any]]) -> None:
        """Operators find the error of a failed check in the log, once for each failure."""
        before = self._report.checks if self._report is not None else {}
        for name, check in checks.items():
            if check.get("error") != before.get(name, {}).get("error"):
                _log.warning("health check %s: %s", name, check.get("error", "ok again"))

    def router(self) -> Router:
        """Routes /livez, /readyz and /health."""
        router = Router(tags=["health"])
        router.add_api_route("/livez", self._livez, summary="The process answers", openapi_extra=ANYBODY)
        router.add_api_route(
            "/readyz", self._readyz, summary="The service may take traffic", **_STATE, openapi_extra=ANYBODY
        )
        summary = "State of the service and of what it depends on"
        router.add_api_route("/health", self._health, summary=summary, **_STATE, openapi_extra=ANYBODY_OR_TOKEN)
        return router

    async def _livez(self) -> JSONResponse:
        return _answer(200, {"status": "ok"})

    async def _readyz(self) -> JSONResponse:
        status = await self.readiness()
        return _answer(200 if status in _READY else 503, {"status": status})

    async def _health(self, request: Request) -> JSONResponse:
        report = await self.report()
        if "authorization" in request.headers and ADMIN_SCOPE in (await authenticate(request)).scopes:
            body = self._details(report)
        else:
            body = {"status": report.status, "service": self.service, "checks": report.public_checks()}
        return _answer(200 if report.status in _READY else 503, body)

    async def details(self) -> dict[str, Any]:
        """State with the version and the errors of failed checks, for operators."""
        return self._details(await self.report())

    def _details(self, report: Report) -> dict[str, Any]:
        return {
            "status": report.status,
            "service": self.service,
            "version": self.version,
            "checks": report.checks,
        }


def _answer(status: int, body: dict[str, Any]) -> JSONResponse:
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
