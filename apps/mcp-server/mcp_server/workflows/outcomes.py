"""How runs end."""

from dataclasses import dataclass
from typing import Any

from mcp_server.runner import wire
from mcp_server.workflows.acceptance import OutputMissingError, result_of
from mcp_server.workflows.checks import faults
from mcp_server.workflows.models import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of a run: its result, or `reason` and `detail` of its failure."""

    result: Any = None
    reason: str | None = None
    detail: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether there is no result."""
        return self.reason is not None


def end_of(outcome: wire.Finished | wire.Failed, content: Content, expected: dict[str, Any] | None = None) -> End:
    """Return the end that an outcome is; a result that breaks the version's schema, or `expected`, is a failure."""
    if isinstance(outcome, wire.Failed):
        return End(reason=outcome.reason, detail=outcome.detail)
    try:
        result = result_of(content, outcome.outputs)
    except OutputMissingError as error:
        return End(reason="result", detail=str(error))
    for schema, value in ((content.output_schema, result), (expected, as_object(result))):
        if schema is not None and (found := faults(schema, value)):
            return End(reason="result", detail=f"The result does not agree with its schema: {found}.")
    return End(result=result)


def as_object(result: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    """Return a result as the structured content of a tool: what is no object becomes the member `result` of one."""
    return result if isinstance(result, dict) else {"result": result}
