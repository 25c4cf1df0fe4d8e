"""A client of the runner, as mcp-server is one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mcp_server.runner import wire

type Respond = Callable[[wire.Call], wire.Answer]


@dataclass
class Outcome:
    """What came of a run."""

    end: wire.Finished | wire.Failed | None = None
    logs: list[wire.Log] = field(default_factory=list)
    calls: list[wire.Call] = field(default_factory=list)

    @property
    def printed(self) -> list[str]:
        return [log.message for log in self.logs if log.logger == "output"]

    @property
    def reason(self) -> str | None:
        return self.end.reason if isinstance(self.end, wire.Failed) else None

    @property
    def detail(self) -> str:
        assert isinstance(self.end, wire.Failed)
        return self.end.detail


def workflow(code: str) -> dict[str, Any]:
    """A workflow of one node with this code, which Kailash's own checks let pass."""
    config = {"name": "only", "code": code, "sandbox_mode": "trusted", "max_code_lines": 100}
    return {"name": "w", "nodes": {"only": {"node_type": "PythonCodeNode", "config": config}}, "connections": []}


async def run(port: int, start: wire.Start, respond: Respond | None = None) -> Outcome:
    """Run a workflow and return what came of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=wire.MAX_LINE_BYTES)
    outcome = Outcome()
    writer.write(wire.encode(start))
    while line := await reader.readline():
        message = wire.decode_from_run(line)
        if isinstance(message, wire.Log):
            outcome.logs.append(message)
        elif isinstance(message, wire.Call):
            outcome.calls.append(message)
            assert respond is not None
            writer.write(wire.encode(respond(message)))
        else:
            outcome.end = message
    writer.close()
    return outcome


async def run_code(port: int, code: str, seconds: float = 20) -> Outcome:
    """Run a workflow of one node and return what came of it."""
    return await run(port, wire.Start(definition=workflow(code), seconds=seconds))
