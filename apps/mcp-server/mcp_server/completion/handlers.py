"""The method completion/complete."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mcp_server.errors import AgentFacingError
from mcp_server.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from mcp_server.protocol.messages import Params, Result
from mcp_server.tools.request import Request

MAX_VALUES = 100
_NAMED_BY = {"ref/prompt": "name", "ref/resource": "uri"}


class Completes(Protocol):
    """Who knows values of arguments."""

    async def complete(self, name: str, argument: str, value: str, request: Request) -> Sequence[str]:
        """Return the values of an argument that begin with `value`."""


class CompletionHandlers:
    """The handler of the method; `services` by the type of the reference."""

    def __init__(self, services: Mapping[str, Completes]) -> None:
        self._services = services

    async def complete(self, params: Params, request: Request) -> Result:
        """Return values for an argument."""
        kind, name, argument, value = _read(params)
        try:
            values = list(await self._services[kind].complete(name, argument, value, request))
        except AgentFacingError as error:
            raise RpcError(INTERNAL_ERROR, str(error)) from None
        shown = values[:MAX_VALUES]
        return {"completion": {"values": shown, "total": len(values), "hasMore": len(values) > len(shown)}}


def _read(params: Params) -> tuple[str, str, str, str]:
    reference, argument = params.get("ref"), params.get("argument")
    if not isinstance(reference, dict) or not isinstance(argument, dict):
        raise RpcError(INVALID_PARAMS, "params.ref and params.argument must be objects")
    kind = reference.get("type")
    if kind not in _NAMED_BY:
        raise RpcError(INVALID_PARAMS, f"params.ref.type must be one of {', '.join(_NAMED_BY)}")
    found = (reference.get(_NAMED_BY[kind]), argument.get("name"), argument.get("value"))
    if not all(isinstance(text, str) for text in found):
        raise RpcError(
            INVALID_PARAMS, f"params.ref.{_NAMED_BY[kind]}, argument.name and argument.value must be strings"
        )
    name, of, value = map(str, found)
    return str(kind), name, of, value
