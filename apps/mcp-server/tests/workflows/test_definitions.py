"""What definitions may say, and what Kailash would take beyond that."""

from typing import Any

import pytest

from mcp_server.workflows.definitions import check_inputs, parse
from mcp_server.workflows.errors import Fault, InvalidDefinitionError

DATA_NODES = {"ProductListNode": frozenset({"filter", "limit"}), "ProductCreateNode": frozenset({"name", "config"})}


def code(text: str = "result = 1", **config: object) -> dict[str, Any]:
    return {"node_type": "PythonCodeNode", "config": {"code": text, **config}}


def connection(source: str, target: str, name: str = "x") -> dict[str, Any]:
    return {"source_node": source, "source_output": "result", "target_node": target, "target_input": name}


def faults(definition: dict[str, Any]) -> list[Fault]:
    with pytest.raises(InvalidDefinitionError) as raised:
        parse(definition, DATA_NODES)
    return raised.value.faults


def faults_of_inputs(definition: dict[str, Any], inputs: dict[str, Any]) -> list[Fault]:
    with pytest.raises(InvalidDefinitionError) as raised:
        check_inputs(parse(definition, DATA_NODES), inputs, DATA_NODES)
    return raised.value.faults


def test_what_kailash_writes_is_reduced_to_what_a_version_decides() -> None:
    written = {
        "workflow_id": "c565ccc8",
        "name": "sums",
        "description": "",
        "version": "1.0.0",
        "author": "",
        "metadata": {"created_at": "2026-11-27T09:21:13+00:00"},
        "nodes": {
            "a": {
                "node_id": "a",
                "node_type": "PythonCodeNode",
                "config": {
                    "name": "a",
                    "code": "result = 1",
                    "function": None,
                    "input_types": {"x": "<class 'list'>"},
                    "max_code_lines": 10,
                    "validate_security": False,
                    "sandbox_mode": "trusted",
                },
                "position": [0.0, 100.0],
            },
            "list": {"node_type": "ProductListNode", "config": {"limit": 5}},
        },
        "connections": [connection("list", "a")],
    }
    assert parse(written, DATA_NODES).content == {
        "name": "sums",
        "description": "",
        "nodes": {
            "a": {"node_type": "PythonCodeNode", "config": {"code": "result = 1", "name": "a"}},
            "list": {"node_type": "ProductListNode", "config": {"limit": 5}},
        },
        "connections": [connection("list", "a")],
    }


def test_the_same_content_has_the_same_hash_however_it_is_written() -> None:
    first = parse({"nodes": {"a": code(), "b": code()}}, DATA_NODES)
    again = parse({"version": "2", "nodes": {"b": code(sandbox_mode="trusted"), "a": code()}}, DATA_NODES)
    other = parse({"nodes": {"a": code(), "b": code("result = 2")}}, DATA_NODES)
    assert first.content_hash == again.content_hash != other.content_hash


HOSTILE = {
    "an unlisted node": (
        {"nodes": {"a": {"node_type": "WorkflowNode", "config": {}}}},
        [Fault("nodes/a/node_type", "'WorkflowNode' is not among the permitted node types")],
    ),
    "an unlisted node under the other name of the member": (
        {"nodes": {"a": {"type": "WorkflowNode", "node_type": "Sort", "config": {}}}},
        [Fault("nodes/a/type", "unknown; known are config, node_id, node_type, position")],
    ),
    "a nested workflow": (
        {"nodes": {"a": {"node_type": "Sort", "config": {"workflow": {"nodes": {"x": code()}}}}}},
        [Fault("nodes/a/config/workflow", "unknown; known are data, field, reverse")],
    ),
    "a function instead of code": (
        {"nodes": {"a": code(function="os.system")}},
        [Fault("nodes/a/config/function", "unknown; known are code, description")],
    ),
    "a template in a text": (
        {"nodes": {"a": {"node_type": "ProductListNode", "config": {"filter": {"x": ["${secret}"]}}}}},
        [
            Fault(
                "nodes/a/config/filter/x/0",
                "templates ('${') are not replaced here: connect the node or give it an input",
            )
        ],
    ),
    "a template in code": (
        {"nodes": {"a": code("result = ${x}")}},
        [Fault("nodes/a/config/code", "templates ('${') are not replaced here: connect the node or give it an input")],
    ),
    "a template as a member's name": (
        {"nodes": {"a": {"node_type": "ProductListNode", "config": {"filter": {"${x}": 1}}}}},
        [
            Fault(
                "nodes/a/config/filter", "templates ('${') are not replaced here: connect the node or give it an input"
            )
        ],
    ),
    "a config inside the config, which a model may have": (
        {"nodes": {"a": {"node_type": "ProductCreateNode", "config": {"config": {"name": "x"}}}}},
        [Fault("nodes/a/config/config", "unknown; known are name")],
    ),
    "two ids of one node": (
        {"nodes": {"a": {**code(), "node_id": "b"}, "b": code()}},
        [Fault("nodes/a/node_id", "differs from the id under which the node stands")],
    ),
    "an id that is no name": (
        {"nodes": {"../a": code()}},
        [Fault("nodes/../a", "the id must be a letter and at most 63 letters, digits and underscores")],
    ),
    "code by a connection": (
        {"nodes": {"a": code(), "b": code()}, "connections": [connection("a", "b", "code")]},
        [Fault("connections/0/target_input", "the node has no such input")],
    ),
    "two connections to one input": (
        {"nodes": {"a": code(), "b": code(), "c": code()}, "connections": [connection("a", "c"), connection("b", "c")]},
        [Fault("connections/1", "another connection leads to the same input")],
    ),
    "two connections of one output with one node": (
        {
            "nodes": {"a": code(), "b": code()},
            "connections": [connection("a", "b", "x"), connection("a", "b", "y")],
        },
        [
            Fault(
                "connections/1",
                "another connection leads from the same output to the same node; give it two outputs",
            )
        ],
    ),
    "a tool by a connection": (
        {
            "nodes": {"a": code(), "t": {"node_type": "ToolNode", "config": {"tool": "x"}}},
            "connections": [connection("a", "t", "tool")],
        },
        [Fault("connections/0/target_input", "the node has no such input")],
    ),
    "a tool without a name": (
        {"nodes": {"t": {"node_type": "ToolNode", "config": {"arguments": {}}}}},
        [Fault("nodes/t/config/tool", "expected a text")],
    ),
    "a circle": (
        {"nodes": {"a": code(), "b": code()}, "connections": [connection("a", "b"), connection("b", "a")]},
        [Fault("connections", "they lead in a circle")],
    ),
    "a connection of the other form": (
        {"nodes": {"a": code()}, "connections": [{"from_node": "a", "to_node": "a"}]},
        [Fault("connections/0", "expected an object with source_node, source_output, target_input, target_node")],
    ),
    "a connection to no node": (
        {"nodes": {"a": code()}, "connections": [connection("a", "b")]},
        [Fault("connections/0/target_node", "there is no node with this id")],
    ),
    "an output that is no name": (
        {"nodes": {"a": code(), "b": code()}, "connections": [connection("a", "b") | {"source_output": "a[0]"}]},
        [Fault("connections/0/source_output", "expected the name of an output, with members after dots")],
    ),
    "no nodes": ({"nodes": {}}, [Fault("nodes", "expected an object with at least one object")]),
    "a node that is none": ({"nodes": {"a": 1}}, [Fault("nodes", "expected an object with at least one object")]),
    "a config that is none": (
        {"nodes": {"a": {"node_type": "Sort", "config": []}}},
        [Fault("nodes/a/config", "expected an object")],
    ),
    "code that is no text": ({"nodes": {"a": code(1)}}, [Fault("nodes/a/config/code", "expected a text")]),  # type: ignore[arg-type]
    "connections that are none": (
        {"nodes": {"a": code()}, "connections": {}},
        [Fault("connections", "expected a list")],
    ),
    "a member of the runtime": (
        {"nodes": {"a": code()}, "runtime": {}},
        [
            Fault(
                "runtime",
                "unknown; known are author, connections, description, metadata, name, nodes, version, workflow_id",
            )
        ],
    ),
    "many nodes": ({"nodes": {f"a{number}": code() for number in range(201)}}, [Fault("nodes", "more than 200")]),
    "much": ({"nodes": {"a": code("#" * 2**20)}}, [Fault("", "it has more than 1048576 bytes")]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_definition_that_says_more_than_it_may_is_refused(case: str) -> None:
    definition, expected = HOSTILE[case]
    assert faults(definition) == expected


def test_a_deep_definition_is_refused() -> None:
    value: Any = 1
    for _ in range(40):
        value = [value]
    assert faults({"nodes": {"a": {"node_type": "Sort", "config": {"data": value}}}}) == [
        Fault("", "it is nested more than 32 levels deep")
    ]


def test_inputs_are_parameters_of_the_workflows_nodes() -> None:
    definition = parse({"nodes": {"a": code(), "list": {"node_type": "ProductListNode"}}}, DATA_NODES)
    check_inputs(definition, {"a": {"rows": [{"text": "costs ${5}"}]}, "list": {"limit": 1}}, DATA_NODES)


@pytest.mark.parametrize("name", ["code", "sandbox_mode", "function", "config", "__class__", "a b"])
def test_code_cannot_arrive_as_an_input(name: str) -> None:
    assert faults_of_inputs({"nodes": {"a": code()}}, {"a": {name: "import os"}}) == [
        Fault(f"a/{name}", "the node has no such input")
    ]


def test_inputs_for_all_nodes_at_once_are_refused() -> None:
    expected = [Fault("tenant", "expected the inputs of a node of the workflow, as an object")]
    assert faults_of_inputs({"nodes": {"a": code()}}, {"tenant": "other"}) == expected
