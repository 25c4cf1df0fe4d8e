"""Runs that a call of a tool starts and waits for."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mcp_server.errors import AgentFacingError
from mcp_server.notices import topics
from mcp_server.notices.service import Fields, Notices
from mcp_server.tools.request import Request
from mcp_server.workflows.caller import NodeRequest
from mcp_server.workflows.errors import RunRefusedError
from mcp_server.workflows.run_models import OPEN, Run
from mcp_server.workflows.run_service import RunService, Wanted
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError

_LOOK_SECONDS = 1.0
_AWAY = (DatabaseUnavailableError, PoolExhaustedError)


class RunFailedError(AgentFacingError):
    """A run has no result, or cannot be started or seen; the text says why."""


@contextmanager
def reporting_to_agent() -> Iterator[None]:
    """Raise RunFailedError for what refuses a run, and where runs are away."""
    try:
        yield
    except RunRefusedError as error:
        raise RunFailedError(str(error)) from None
    except _AWAY:
        raise RunFailedError("Workflows and their runs cannot be reached now. Try again later.") from None


@dataclass(frozen=True, slots=True)
class AwaitedRuns:
    """Starts runs, waits for them and ends them, on behalf of a request."""

    runs: RunService
    notices: Notices

    async def start(self, wanted: Wanted, request: Request) -> Run:
        """Start a run; raises RunFailedError where that is refused."""
        if isinstance(request, NodeRequest):
            raise RunFailedError("A workflow cannot run another one.")
        with reporting_to_agent():
            return await self.runs.start(request.principal, wanted)

    async def wait(self, run: Run, request: Request, seconds: float) -> Run:
        """Return a run once it has ended, or as it is after some seconds. A request that is cancelled ends it."""
        try:
            return await self._ended(run, request, time.monotonic() + seconds)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(self.cancel(run, request)))
            raise

    async def cancel(self, run: Run, request: Request) -> None:
        """End a run, unless PostgreSQL is away."""
        with suppress(*_AWAY):
            await self.runs.cancel(request.principal, run)

    async def _ended(self, run: Run, request: Request, deadline: float) -> Run:
        changed = asyncio.Event()
        with self.notices.listening(_setter(changed), topics.task(run.run_id)):
            while run.state in OPEN and (left := deadline - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                        await changed.wait()
                changed.clear()
                with suppress(*_AWAY):  # it goes on meanwhile
                    run = await self.runs.find(request.principal, run.run_id)
        return run


def _setter(event: asyncio.Event) -> Callable[[str, Fields], None]:
    return lambda _topic, _fields: event.set()
