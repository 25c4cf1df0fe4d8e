"""Runs nodes for principals."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from dataflow_service.nodes import parsing
from dataflow_service.nodes.errors import MissingScopeError, NoSuchNodeError
from dataflow_service.nodes.operations import OPERATIONS, Call
from dataflow_service.nodes.outcomes import Outcome
from dataflow_service.records.service import RecordService
from dataflow_service.records.writer import RecordWriter, Writing
from dataflow_service.registry import kailash_nodes
from dataflow_service.registry.kailash_adapter import GeneratedNode
from dataflow_service.registry.model import Model, Registry
from nexus_chassis.principal import Principal

_READING = frozenset({"read", "list", "count"})


@dataclass(frozen=True, slots=True)
class ServedNode:
    """A generated node, the model whose rows it is about, and the scope that it needs."""

    node: GeneratedNode
    model: Model

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.node.operation in _READING

    @property
    def scope(self) -> str:
        """The scope that a principal needs."""
        return "data:read" if self.reads else "data:write"


class NodeService:
    """The nodes of all models, on the service of rows."""

    def __init__(self, registry: Registry, records: RecordService) -> None:
        self._records = records
        self._nodes = {node.name: ServedNode(node, model) for model in registry.models for node in model.nodes}

    def permitted(self, principal: Principal, name: str) -> ServedNode:
        """Return the node with a name.

        Raises:
            NoSuchNodeError: No model has it.
            MissingScopeError: The principal may not run it.
        """
        if name not in self._nodes:
            raise NoSuchNodeError(name, list(self._nodes))
        found = self._nodes[name]
        if found.scope not in principal.scopes:
            raise MissingScopeError(name, found.scope)
        return found

    def writing(self, principal: Principal) -> AbstractAsyncContextManager[RecordWriter]:
        """Context manager of a transaction for nodes that change rows; see RecordService."""
        return self._records.writing(principal)

    async def run(
        self, principal: Principal, served: ServedNode, parameters: Mapping[str, Any], writing: Writing
    ) -> Outcome:
        """Run a node with parameters in their JSON form, numbers with a fraction as Decimal or float."""
        await self._records.admit(served.model)
        call = Call(principal, self._records, writing, served.model, parsing.named(served.node, parameters))
        return await OPERATIONS[served.node.operation](call)

    @contextmanager
    def acting_for(self, principal: Principal) -> Iterator[None]:
        """Context manager within which Kailash's nodes act for a principal, in direct calls and in workflows."""
        with kailash_nodes.executing(_Executor(self, principal)):
            yield


@dataclass(frozen=True, slots=True)
class _Executor:
    nodes: NodeService
    principal: Principal

    async def run(self, node: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        served = self.nodes.permitted(self.principal, node)
        writing = partial(self.nodes.writing, self.principal)
        outcome = await self.nodes.run(self.principal, served, parsing.as_json(parameters), writing)
        return outcome.values()
