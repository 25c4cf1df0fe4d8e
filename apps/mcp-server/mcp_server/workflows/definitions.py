"""What a workflow's definition may say: Kailash's JSON (`Workflow.to_dict`), reduced to what a version needs.

Kailash takes more than it shows: other node types by way of nested definitions, templates `${name}` that are replaced in
every text, code included, a member `config` that is unpacked, and code that arrives as an input. None of it is accepted.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from mcp_server.workflows.errors import Fault, InvalidDefinitionError
from nexus_chassis.limits import MIB

MAX_NODES = 200
MAX_CONNECTIONS = 1000
MAX_BYTES = MIB
"""Of a definition as JSON."""

MAX_DEPTH = 32

CODE = "PythonCodeNode"
NODES: Mapping[str, frozenset[str]] = {
    CODE: frozenset({"code", "description"}),
    "SwitchNode": frozenset(
        {"input_data", "condition_field", "operator", "value", "cases", "case_prefix", "default_field",
         "pass_condition_result", "break_after_first_match"}
    ),
    "MergeNode": frozenset({"data1", "data2", "data3", "data4", "data5", "merge_type", "key", "skip_none"}),
    "FilterNode": frozenset({"data", "field", "operator", "value"}),
    "Sort": frozenset({"data", "field", "reverse"}),
}  # fmt: skip
"""The node types of Kailash that workflows may use, with what their `config` may have. They only compute."""

TOOL = "ToolNode"
"""The node type that calls a tool of this server: which one is in its `config`, where a reader of the workflow sees it."""

_TOOL_CONFIG = frozenset({"tool", "arguments"})
_TOOL_INPUTS = frozenset({"arguments"})

_DROPPED = frozenset(
    {"name", "sandbox_mode", "validate_security", "max_code_lines", "input_types", "output_type"}
)  # what `to_dict` writes, and a version does not decide
_CODE_PARAMETERS = frozenset(
    {*_DROPPED, *NODES[CODE], "function", "class_type", "process_method", "input_schema", "output_schema", "config"}
)
_MEMBERS = {"name", "description", "nodes", "connections"}
_MEMBERS_DROPPED = {"workflow_id", "version", "author", "metadata"}
_NODE_MEMBERS = {"node_type", "node_id", "config", "position"}
_CONNECTION_MEMBERS = {"source_node", "source_output", "target_node", "target_input"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_OUTPUT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}(\.[A-Za-z0-9_]{1,64}){0,8}")

type Parameters = Mapping[str, frozenset[str]]
"""Node types with the names of their parameters."""


@dataclass(frozen=True, slots=True)
class Definition:
    """An accepted definition, as Kailash reads it. `content_hash` is the same for the same content, however written."""

    content: dict[str, Any]
    content_hash: str

    @property
    def node_types(self) -> set[str]:
        """The types of its nodes."""
        return {node["node_type"] for node in self.content["nodes"].values()}


def parse(value: Mapping[str, Any], data_nodes: Parameters) -> Definition:
    """Return a definition without what a version does not decide. `data_nodes` are those of dataflow-service.

    Raises:
        InvalidDefinitionError: It says something that is not accepted; names the first faults.
    """
    if faults := _size_faults(value):
        raise InvalidDefinitionError(faults)
    reader = _Reader({**NODES, **data_nodes, TOOL: _TOOL_CONFIG})
    content = reader.read(value)
    if reader.faults:
        raise InvalidDefinitionError(reader.faults)
    return Definition(content, hashlib.sha256(_canonical(content)).hexdigest())


def check_inputs(definition: Definition, inputs: Mapping[str, Any], data_nodes: Parameters) -> None:
    """Raise InvalidDefinitionError unless `inputs`, by node, are parameters of nodes of the definition."""
    faults = _size_faults(inputs)
    for node, values in inputs.items():
        found = definition.content["nodes"].get(node)
        if found is None or not isinstance(values, dict):
            faults.append(Fault(node, "expected the inputs of a node of the workflow, as an object"))
            continue
        faults += [
            Fault(f"{node}/{name}", "the node has no such input")
            for name in values
            if not _is_input(found["node_type"], name, data_nodes)
        ]
    if faults:
        raise InvalidDefinitionError(faults)


def _is_input(node_type: str, name: str, data_nodes: Parameters) -> bool:
    if node_type == CODE:
        return _NAME.fullmatch(name) is not None and name not in _CODE_PARAMETERS
    if node_type == TOOL:
        return name in _TOOL_INPUTS
    return name in NODES.get(node_type, data_nodes.get(node_type, frozenset()))


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _size_faults(value: object) -> list[Fault]:
    if _is_deeper(value, MAX_DEPTH):
        return [Fault("", f"it is nested more than {MAX_DEPTH} levels deep")]
    if len(_canonical(value)) > MAX_BYTES:
        return [Fault("", f"it has more than {MAX_BYTES} bytes")]
    return []


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


@dataclass
class _Reader:
    parameters: Parameters
    faults: list[Fault] = field(default_factory=list)

    def read(self, value: Mapping[str, Any]) -> dict[str, Any]:
        self._check_members("", value, _MEMBERS | _MEMBERS_DROPPED)
        nodes = {name: self._node(name, node) for name, node in self._objects(value, "nodes")}
        self._count("nodes", len(nodes), MAX_NODES)
        connections = self._connections(value.get("connections", []), nodes)
        texts = {name: self._text(name, value.get(name, "")) for name in ("name", "description")}
        return {**texts, "nodes": nodes, "connections": connections}

    def _objects(self, value: Mapping[str, Any], member: str) -> list[tuple[str, dict[str, Any]]]:
        found = value.get(member)
        if not isinstance(found, dict) or not found or not all(isinstance(item, dict) for item in found.values()):
            self._fault(member, "expected an object with at least one object")
            return []
        return list(found.items())

    def _node(self, name: str, node: dict[str, Any]) -> dict[str, Any]:
        place = f"nodes/{name}"
        if not _NAME.fullmatch(name):
            self._fault(place, "the id must be a letter and at most 63 letters, digits and underscores")
        self._check_members(place, node, _NODE_MEMBERS)
        if node.get("node_id", name) != name:
            self._fault(f"{place}/node_id", "differs from the id under which the node stands")
        node_type = node.get("node_type")
        if not isinstance(node_type, str) or node_type not in self.parameters:
            self._fault(f"{place}/node_type", f"{str(node_type)[:100]!r} is not among the permitted node types")
            return {"node_type": "", "config": {}}
        return {"node_type": node_type, "config": self._config(place, name, node_type, node.get("config", {}))}

    def _config(self, place: str, name: str, node_type: str, config: object) -> dict[str, Any]:
        place = f"{place}/config"
        if not isinstance(config, dict):
            self._fault(place, "expected an object")
            return {}
        dropped = _DROPPED if node_type == CODE else {"name"} - self.parameters[node_type]
        kept = {key: value for key, value in config.items() if value is not None and key not in dropped}
        self._check_members(place, kept, self.parameters[node_type] - {"config"})
        for path in _templates(kept, place):
            self._fault(path, "templates ('${') are not replaced here: connect the node or give it an input")
        if node_type == CODE:
            self._text(f"{place}/code", kept.get("code"))
            kept["name"] = name
        if node_type == TOOL:
            self._text(f"{place}/tool", kept.get("tool"))
        return kept

    def _connections(self, value: object, nodes: Mapping[str, dict[str, Any]]) -> list[dict[str, str]]:
        if not isinstance(value, list):
            self._fault("connections", "expected a list")
            return []
        self._count("connections", len(value), MAX_CONNECTIONS)
        read = [self._connection(f"connections/{place}", item, nodes) for place, item in enumerate(value)]
        connections = [connection for connection in read if connection is not None]
        self._check_targets(connections)
        self._check_order(connections)
        return connections

    def _connection(self, place: str, value: object, nodes: Mapping[str, dict[str, Any]]) -> dict[str, str] | None:
        if not isinstance(value, dict) or set(value) != _CONNECTION_MEMBERS:
            self._fault(place, f"expected an object with {', '.join(sorted(_CONNECTION_MEMBERS))}")
            return None
        for end in ("source_node", "target_node"):
            if not isinstance(value[end], str) or value[end] not in nodes:
                self._fault(f"{place}/{end}", "there is no node with this id")
                return None
        if not isinstance(value["source_output"], str) or not _OUTPUT.fullmatch(value["source_output"]):
            self._fault(f"{place}/source_output", "expected the name of an output, with members after dots")
        node_type, target = nodes[value["target_node"]]["node_type"], value["target_input"]
        if not isinstance(target, str) or not _is_input(node_type, target, self.parameters):
            self._fault(f"{place}/target_input", "the node has no such input")
        return dict(value)

    def _check_targets(self, connections: list[dict[str, str]]) -> None:
        """Refuse what Kailash would drop without a word: it keeps one connection of an output with a node."""
        targets: set[tuple[str, str]] = set()
        pairs: set[tuple[str, str, str]] = set()
        for place, connection in enumerate(connections):
            target = (connection["target_node"], connection["target_input"])
            if target in targets:
                self._fault(f"connections/{place}", "another connection leads to the same input")
            targets.add(target)
            pair = (connection["source_node"], connection["source_output"], connection["target_node"])
            if pair in pairs:
                reason = "another connection leads from the same output to the same node; give it two outputs"
                self._fault(f"connections/{place}", reason)
            pairs.add(pair)

    def _check_order(self, connections: list[dict[str, str]]) -> None:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for connection in connections:
            sorter.add(connection["target_node"], connection["source_node"])
        try:
            sorter.prepare()
        except CycleError:
            self._fault("connections", "they lead in a circle")

    def _text(self, place: str, value: object) -> str:
        if not isinstance(value, str):
            self._fault(place, "expected a text")
            return ""
        return value

    def _check_members(self, place: str, value: Mapping[str, Any], known: "set[str] | frozenset[str]") -> None:
        for name in sorted(value.keys() - known):
            self._fault(f"{place}/{name}".lstrip("/")[:200], f"unknown; known are {', '.join(sorted(known))}")

    def _count(self, place: str, count: int, limit: int) -> None:
        if count > limit:
            self._fault(place, f"more than {limit}")

    def _fault(self, place: str, reason: str) -> None:
        self.faults.append(Fault(place, reason))


def _templates(value: object, place: str) -> Iterator[str]:
    """Yield the places of texts that Kailash would replace parts of, member names among them."""
    if isinstance(value, str) and "${" in value:
        yield place
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _templates(item, f"{place}/{number}")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _templates(name, place)
            yield from _templates(item, f"{place}/{name}")
