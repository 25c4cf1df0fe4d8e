"""What this worker process knows of the services behind the routes."""

import time

import aiohttp

from nexus_gateway.metrics import UPSTREAM_FAILURES, UPSTREAM_RETRIES, UPSTREAM_SECONDS
from nexus_gateway.proxy.breaker import Breaker
from nexus_gateway.proxy.errors import (
    UpstreamBrokenError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from nexus_gateway.proxy.retries import RetryBudget, may_be_sent_again
from nexus_gateway.proxy.routes import Route


class Upstream:
    """One service: its circuit breaker, its retry budget and its metrics."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._breaker = Breaker(service)
        self._budget = RetryBudget()
        self._seconds = UPSTREAM_SECONDS.labels(service)

    def admit(self) -> float:
        """Let a request through, and return when it began; raises UpstreamOpenError."""
        self._breaker.admit()
        self._budget.earn()
        return time.monotonic()

    def succeed(self, began: float) -> None:
        """Count an answer to a request that began then."""
        self._breaker.succeed()
        self._seconds.observe(time.monotonic() - began)

    def may_retry(self, method: str, error: Exception, *, whole: bool) -> bool:
        """Whether a request that failed with this error is to be sent again; it is counted. `whole`: so is its body."""
        if not (may_be_sent_again(method, error, whole=whole) and self._budget.spend()):
            return False
        UPSTREAM_RETRIES.labels(self._service).inc()
        return True

    def failure(self, error: Exception, *, blameless: bool) -> UpstreamError:
        """Count a request that failed with this error, and return what to raise.

        `blameless`: a timeout says nothing about the service.
        """
        if isinstance(error, TimeoutError):
            failure: UpstreamError = UpstreamTimeoutError(self._service)
            self._count("timeout", opens=not blameless)
        elif isinstance(error, aiohttp.ClientConnectorError):
            failure = UpstreamUnavailableError(self._service)
            self._count("unreachable")
        else:
            failure = UpstreamBrokenError(self._service)
            self._count("cut")
        return failure

    def cut(self) -> None:
        """Count an answer that broke off on its way to the client."""
        self._count("cut")

    def _count(self, reason: str, *, opens: bool = True) -> None:
        UPSTREAM_FAILURES.labels(self._service, reason).inc()
        if opens:
            self._breaker.fail()


class Upstreams:
    """The services by address: routes that share one share its circuit breaker."""

    def __init__(self) -> None:
        self._known: dict[str, Upstream] = {}

    def of(self, route: Route) -> Upstream:
        """The service behind a route."""
        known = self._known.get(route.upstream)
        if known is None:
            known = self._known[route.upstream] = Upstream(route.service)
        return known
