"""What clients can do, and what requests to them need."""

from collections.abc import Iterable, Mapping
from typing import Any

TASKS = "io.modelcontextprotocol/tasks"
"""The extension by which a tool call becomes a task."""

_NEEDED: Mapping[str, str] = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}


def missing(capabilities: Mapping[str, Any], requests: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the capabilities that `requests` to the client need and `capabilities` lacks."""
    needed = {_NEEDED[request["method"]] for request in requests}
    return {name: {} for name in sorted(needed) if not isinstance(capabilities.get(name), dict)}


def has_tasks(capabilities: Mapping[str, Any]) -> bool:
    """Return whether the client can be answered with a task."""
    extensions = capabilities.get("extensions")
    return isinstance(extensions, dict) and isinstance(extensions.get(TASKS), dict)
