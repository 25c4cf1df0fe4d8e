"""Kailash's generated nodes, on this service's SQL and pool.

The classes that Kailash generates stay the base, so that NodeRegistry, workflows and direct calls find them under their
names. What is replaced is what they do with their inputs: the framework rewrites texts and unpacks a field named `config`,
and builds its SQL from names that callers choose.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from dataflow import DataFlow  # type: ignore[import-untyped]
from dataflow.core.nodes import NodeGenerator  # type: ignore[import-untyped]
from kailash.nodes.base import NodeParameter  # type: ignore[import-untyped]
from kailash.runtime.template_resolver import (  # type: ignore[import-untyped]
    extract_template_parameters,
    resolve_templates,
)

from dataflow_service.registry.annotations import plain_type
from dataflow_service.registry.declarations import never_sent
from dataflow_service.registry.errors import NoNodeSessionError

PARAMETERS: Mapping[str, Sequence[str]] = {
    "create": (),
    "read": ("id", "record_id", "conditions"),
    "update": ("id", "record_id", "filter", "conditions", "fields", "updates"),
    "delete": ("id", "record_id", "filter", "conditions"),
    "list": ("filter", "search", "fields", "order_by", "limit", "after"),
    "count": ("filter", "search"),
    "upsert": ("where", "update", "create", "conflict_on"),
    "bulk_create": ("data",),
    "bulk_update": ("data", "filter", "conditions", "fields", "update"),
    "bulk_delete": ("filter", "conditions"),
    "bulk_upsert": ("data", "conflict_on"),
}
"""What the nodes of an operation take, of what Kailash declares.

`search`, `after` and `fields` of a list, and `conflict_on` of many rows, are our own.
"""

_WITH_FIELDS = frozenset({"create", "update"})
_NEVER_WRITTEN = frozenset({"id", "created_at", "updated_at"})
_OWN_ID = NodeParameter(name="id", type=str, required=False, description="Id of the row, text or a UUID")
_OWN = {
    "search": NodeParameter(name="search", type=str, required=False, description="What people type to find rows"),
    "after": NodeParameter(name="after", type=str, required=False, description="`next` of the page before"),
    "fields": NodeParameter(name="fields", type=list, required=False, description="Fields of the rows"),
    "conflict_on": NodeParameter(name="conflict_on", type=list, required=False, description="Fields of a unique index"),
}
_FROM_RUNTIME = frozenset({"resource_registry"})


class NodeExecutor(Protocol):
    """Runs nodes on the service's rows, for one principal."""

    async def run(self, node: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Check the parameters, run the node, and return its outputs."""


@dataclass(frozen=True, slots=True)
class _Session:
    executor: NodeExecutor
    loop: asyncio.AbstractEventLoop


_session: ContextVar[_Session | None] = ContextVar("dataflow_node_session", default=None)


@contextmanager
def executing(executor: NodeExecutor) -> Iterator[None]:
    """Context manager within which nodes run by `executor`, in this task, those it starts, and this event loop."""
    token = _session.set(_Session(executor, asyncio.get_running_loop()))
    try:
        yield
    finally:
        _session.reset(token)


class ServiceDataFlow(DataFlow):  # type: ignore[misc]  # the framework has no types
    """Kailash's DataFlow, whose generated nodes are this service's."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self._node_generator = ServiceNodeGenerator(self)


class ServiceNodeGenerator(NodeGenerator):  # type: ignore[misc]
    """Generates Kailash's node classes with the behaviour of `ServiceNode`."""

    def _create_node_class(self, model_name: str, operation: str, fields: dict[str, Any]) -> type:
        generated = super()._create_node_class(model_name, operation, fields)
        model = self.dataflow_instance._registered_models[model_name]  # noqa: SLF001 - it has no accessor
        members = {"__module__": __name__, "__doc__": generated.__doc__, "managed": _NEVER_WRITTEN | never_sent(model)}
        return type(generated.__name__, (ServiceNode, generated), members)


class ServiceNode:
    """What the generated nodes do here."""

    config: dict[str, Any]
    operation: str
    model_fields: Mapping[str, Any]
    managed: frozenset[str]

    def get_parameters(self) -> dict[str, Any]:
        """Return the parameters that Kailash declares and that are used; a node never gets to choose its database."""
        declared = {**_OWN, **super().get_parameters()}  # type: ignore[misc]
        fields = [name for name in self.model_fields if self.operation in _WITH_FIELDS and name not in self.managed]
        found = {name: declared[name] for name in dict.fromkeys([*PARAMETERS[self.operation], *fields])}
        return {"id": _OWN_ID, **found} if self.operation == "create" and self._has_own_ids() else found

    def _has_own_ids(self) -> bool:
        return plain_type(self.model_fields["id"]["type"]) is not int

    def validate_inputs(self, /, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401 - any value
        """Return the inputs as they are: they are checked where they are used, and never rewritten."""
        return inputs

    def validate_outputs(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs as they are; fractions in JSON fields are Decimal, which keeps their digits."""
        return outputs

    async def execute_async(self, /, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401 - any value
        """Run the node with its configuration and inputs, which take precedence.

        `${name}` in the configuration stands for the input `name`; inputs themselves are data and stay what they are.
        """
        return await self.async_run(**self.validate_inputs(**self._merged(inputs)))

    async def async_run(self, /, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - any value
        """Run the node for the principal of the call.

        Raises:
            NoNodeSessionError: It is not called within a session of the service.
        """
        session = _session.get()
        name = type(self).__name__
        if session is None or session.loop is not asyncio.get_running_loop():
            raise NoNodeSessionError(name)
        return await session.executor.run(name, parameters)

    def _merged(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        for_templates = extract_template_parameters(self.config) | _FROM_RUNTIME
        parameters = self.get_parameters()
        given = {name: value for name, value in inputs.items() if name in parameters or name not in for_templates}
        return {**resolve_templates(self.config, inputs), **given}

    def _validate_config(self) -> None:
        """Leave the configuration as it is: the framework converts values here, such as a Decimal to a float."""
