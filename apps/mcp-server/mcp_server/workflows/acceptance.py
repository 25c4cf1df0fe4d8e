"""Whether what somebody sends as a version of a workflow can become one."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_server.tools.schemas_check import UnacceptableSchemaError, check_registered_schema
from mcp_server.workflows.definitions import Definition, Parameters, check_inputs, parse
from mcp_server.workflows.errors import Fault, InvalidDefinitionError
from mcp_server.workflows.models import Content, ExternalNode
from mcp_server.workflows.schemas import Draft

type External = Mapping[str, ExternalNode]


def accept(draft: Draft, external: External) -> Content:
    """Return the content of a version; `external` are the node types that it uses and Kailash does not run.

    Raises:
        InvalidDefinitionError: Something in it is not accepted.
    """
    parameters = {name: frozenset(node.parameters) for name, node in external.items()}
    definition = _definition(draft, parameters)
    faults = [*_faults_of_schemas(draft), *_faults_of_inputs(draft, definition, parameters), *_faults_of_output(draft)]
    if faults:
        raise InvalidDefinitionError(faults)
    sent = draft.model_dump(by_alias=True, exclude={"definition", "parent"})
    used = {name: external[name] for name in sorted(definition.node_types & external.keys())}
    return Content.model_validate({**sent, "definition": definition.content, "external_nodes": used})


def _definition(draft: Draft, parameters: Parameters) -> Definition:
    try:
        return parse(draft.definition, parameters)
    except InvalidDefinitionError as error:
        raise InvalidDefinitionError(list(map(in_definition, error.faults))) from None


def in_definition(fault: Fault) -> Fault:
    """Return a fault of a definition with its place in the version."""
    return Fault(f"definition/{fault.place}".removesuffix("/"), fault.reason)


def encode(content: Content) -> tuple[str, str]:
    """Return the content as JSON, and its SHA-256 in hexadecimal digits, which is the same for the same content."""
    members = content.model_dump(mode="json", by_alias=True, exclude_none=True)
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps(members), hashlib.sha256(canonical).hexdigest()


def _faults_of_schemas(draft: Draft) -> Iterator[Fault]:
    for member, schema in (("inputSchema", draft.input_schema), ("outputSchema", draft.output_schema)):
        try:
            if schema is not None:
                check_registered_schema(schema)
        except UnacceptableSchemaError as error:
            yield Fault(member, str(error))


def _faults_of_inputs(draft: Draft, definition: Definition, parameters: Parameters) -> Iterator[Fault]:
    """What is wrong with where arguments go: each has a place, and each place one source."""
    try:
        check_inputs(definition, draft.inputs, parameters)
    except InvalidDefinitionError as error:
        yield from (Fault(f"inputs/{place}", reason) for place, reason in error.faults)
    known = draft.input_schema.get("properties", {})
    places = {(node, name): argument for node, inputs in draft.inputs.items() for name, argument in inputs.items()}
    for (node, name), argument in places.items():
        if argument not in known:
            yield Fault(f"inputs/{node}/{name}", f"{argument!r:.100} is no property of inputSchema")
    for argument in sorted(known.keys() - places.values()):
        yield Fault(f"inputSchema/properties/{argument:.100}", "no node has it: name its place in inputs")
    for place, connection in enumerate(definition.content["connections"]):
        if (connection["target_node"], connection["target_input"]) in places:
            yield Fault(f"definition/connections/{place}", "an argument goes to the same input")


def _faults_of_output(draft: Draft) -> Iterator[Fault]:
    if draft.output is not None and draft.output.partition(".")[0] not in draft.definition["nodes"]:
        yield Fault("output", "there is no node with this id")


def inputs_of(content: Content, arguments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the inputs of a run, by node, that arguments become."""
    found = {
        node: {name: arguments[argument] for name, argument in inputs.items() if argument in arguments}
        for node, inputs in content.inputs.items()
    }
    return {node: inputs for node, inputs in found.items() if inputs}


class OutputMissingError(Exception):
    """The nodes returned nothing at the place `output`."""

    def __init__(self, output: str) -> None:
        super().__init__(f"The run has no output {output!r}.")


def result_of(content: Content, outputs: Mapping[str, Any]) -> Any:  # noqa: ANN401  any JSON value
    """Return the result among the outputs of all nodes; raises OutputMissingError."""
    if content.output is None:
        return dict(outputs)
    value: Any = outputs
    for part in content.output.split("."):
        if not isinstance(value, dict) or part not in value:
            raise OutputMissingError(content.output)
        value = value[part]
    return value
