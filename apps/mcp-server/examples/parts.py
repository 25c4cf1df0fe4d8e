"""Parts of a workflow's definition."""

from typing import Any


def code(text: str) -> dict[str, Any]:
    """A node of Python code: what it sets as `result` is its output, and its variables are its inputs."""
    return {"node_type": "PythonCodeNode", "config": {"code": text}}


def connect(source: str, output: str, target: str, name: str) -> dict[str, str]:
    """A connection from an output of a node, or a member of it, to an input of another."""
    return {"source_node": source, "source_output": output, "target_node": target, "target_input": name}
