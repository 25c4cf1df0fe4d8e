"""Arguments and results of runs against the schemas of versions."""

from functools import lru_cache
from typing import Any

from pydantic_core import from_json, to_json

from mcp_server.tools.bounded_validator import CheckTooLongError
from mcp_server.tools.registry import Validator
from mcp_server.workflows.errors import ArgumentsRefusedError
from mcp_server.workflows.models import Content

_KEPT = 256


def faults(schema: dict[str, Any], value: object) -> str:
    """Return what is wrong with a value; empty when it is valid."""
    try:
        return _validator(to_json(schema)).faults(value)
    except CheckTooLongError:
        return "it takes too long to check; use fewer or simpler values"


@lru_cache(_KEPT)
def _validator(schema: bytes) -> Validator:
    return Validator(from_json(schema))


def check_arguments(content: Content, arguments: dict[str, Any]) -> None:
    """Raise ArgumentsRefusedError for arguments that do not agree with the input schema of a version."""
    if found := faults(content.input_schema, arguments):
        raise ArgumentsRefusedError(found)
