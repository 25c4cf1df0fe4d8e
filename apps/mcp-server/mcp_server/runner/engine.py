"""Runs a workflow by Kailash. Imported in the process that runs are forked from, so that each has it at once."""

from collections.abc import Callable, Mapping
from typing import Any

import kailash.nodes.transform  # type: ignore[import-untyped]  # noqa: F401 - registers FilterNode and Sort
from kailash.nodes.base import Node, NodeParameter, NodeRegistry  # type: ignore[import-untyped]
from kailash.nodes.code.python import PythonCodeNode  # type: ignore[import-untyped]
from kailash.runtime.local import LocalRuntime  # type: ignore[import-untyped]
from kailash.workflow.graph import Workflow  # type: ignore[import-untyped]

type RunNode = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Runs a data node, by name, with parameters; returns its outputs."""

_TRIVIAL = {
    "name": "warm-up",
    "nodes": {"only": {"node_type": "PythonCodeNode", "config": {"name": "only", "code": "result = 1"}}},
}


def run(
    definition: Mapping[str, Any], inputs: Mapping[str, Any], data_nodes: Mapping[str, list[str]], run_node: RunNode
) -> dict[str, Any]:
    """Return the outputs of all nodes of a workflow, by node.

    Raises:
        NodeFailedError: A node raised.
        MemoryError: A node had no memory.
        Exception: What Kailash raises for a definition that it cannot run.
    """
    _register(data_nodes, run_node)
    with LocalRuntime(enable_monitoring=False) as runtime:
        outputs, _ = runtime.execute(Workflow.from_dict(dict(definition)), parameters=dict(inputs))
    for node, output in outputs.items():
        if isinstance(output, dict) and output.get("failed") is True and "error_type" in output:
            raise _failure(node, output)
    return dict(outputs)


def check(definition: Mapping[str, Any], data_nodes: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Return what Kailash would refuse to run, each fault with `place` and `reason`; no code is executed."""
    faults = [fault for name, node in definition["nodes"].items() for fault in _faults_of_code(name, node)]
    _register(data_nodes, lambda _name, _parameters: {})
    try:
        Workflow.from_dict(dict(definition)).validate()
    except Exception as error:  # noqa: BLE001 - Kailash raises what its nodes raise
        faults.append({"place": "", "reason": f"{type(error).__name__}: {error}"})
    return faults


def _faults_of_code(name: str, node: Mapping[str, Any]) -> list[dict[str, str]]:
    code = node["config"].get("code")
    if node["node_type"] != "PythonCodeNode" or code is None:
        return []
    found = PythonCodeNode(name=name, code="result = None").validate_code(code)
    faults = [*found["syntax_errors"], *found["safety_violations"]]
    return [
        {"place": f"nodes/{name}/config/code", "reason": f"line {fault.get('line', 1)}: {fault['message']}"}
        for fault in faults
    ]


def _register(data_nodes: Mapping[str, list[str]], run_node: RunNode) -> None:
    for name, parameters in data_nodes.items():
        NodeRegistry.register(_data_node(name, parameters, run_node), name, allow_override=True)


class NodeFailedError(Exception):
    """A node raised."""

    def __init__(self, node: str, kind: str, reason: str) -> None:
        super().__init__(f"The node {node!r} failed: {kind}: {reason}")


def _failure(node: str, output: Mapping[str, Any]) -> Exception:
    """Return the error of a node on which no other depends: Kailash takes such a run for a success."""
    error = output.get("_exception")
    while isinstance(error, Exception):
        if isinstance(error, MemoryError):
            return error
        error = error.__cause__ or error.__context__
    return NodeFailedError(node, output["error_type"], output.get("error", ""))


def warm_up() -> None:
    """Import what a first run would."""
    run(_TRIVIAL, {}, {}, lambda _name, _parameters: {})


def _data_node(name: str, parameters: list[str], run_node: RunNode) -> type[Any]:
    def get_parameters(_node: object) -> dict[str, Any]:
        return {parameter: NodeParameter(name=parameter, type=Any, required=False) for parameter in parameters}

    def execute(_node: object, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        return run_node(name, {key: value for key, value in values.items() if value is not None})

    return type(name, (Node,), {"get_parameters": get_parameters, "run": execute})
