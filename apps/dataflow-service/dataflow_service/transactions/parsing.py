"""Reads the operations of a transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow_service.nodes.errors import NoSuchNodeError
from dataflow_service.nodes.service import NodeService, ServedNode
from dataflow_service.records.errors import MAX_FAULTS, Fault, InvalidRowError
from dataflow_service.records.parsing import Place
from dataflow_service.transactions.schemas import MAX_OPERATIONS
from nexus_chassis.principal import Principal

OPERATIONS: Place = ("body", "operations")


@dataclass(frozen=True, slots=True)
class Operation:
    """A node to run, and its parameters."""

    served: ServedNode
    parameters: Mapping[str, Any]


def operations(nodes: NodeService, principal: Principal, document: object) -> list[Operation]:
    """Return the operations in a request body.

    Raises:
        InvalidRowError: It is no list of operations, or one of them is no node that writes.
        MissingScopeError: The principal may not run one of them.
    """
    if not isinstance(document, dict) or list(document) != ["operations"]:
        raise InvalidRowError([Fault(("body",), 'should be an object with "operations" and nothing else')])
    sent = document["operations"]
    if not isinstance(sent, list) or not 1 <= len(sent) <= MAX_OPERATIONS:
        raise InvalidRowError([Fault(OPERATIONS, f"should be an array of 1 to {MAX_OPERATIONS} operations")])
    faults = [fault for number, item in enumerate(sent) for fault in _faults(item, (*OPERATIONS, number))]
    if faults:
        raise InvalidRowError(faults[:MAX_FAULTS])
    return [_operation(item, nodes, principal, (*OPERATIONS, number)) for number, item in enumerate(sent)]


def _faults(item: object, place: Place) -> Sequence[Fault]:
    if not isinstance(item, dict) or sorted(item) != ["node", "parameters"]:
        return [Fault(place, 'should be an object with "node" and "parameters" and nothing else')]
    kinds: dict[str, tuple[type, str]] = {"node": (str, "a string"), "parameters": (dict, "an object")}
    return [
        Fault((*place, name), f"should be {text}")
        for name, (kind, text) in kinds.items()
        if not isinstance(item[name], kind)
    ]


def _operation(item: Mapping[str, Any], nodes: NodeService, principal: Principal, place: Place) -> Operation:
    try:
        served = nodes.permitted(principal, item["node"])
    except NoSuchNodeError:
        raise InvalidRowError([Fault((*place, "node"), "is no node; GET /v1/nodes lists them")]) from None
    if served.reads:
        raise InvalidRowError([Fault((*place, "node"), "reads rows; a transaction has nodes that change rows")])
    return Operation(served, item["parameters"])
