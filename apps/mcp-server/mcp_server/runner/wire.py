"""What mcp-server, the runner and the process of a run say to each other: JSON objects, one a line.

One connection has one run: mcp-server sends Start, and an Answer to each Call; the runner sends the others, Finished or
Failed last. Who closes the connection before that cancels the run.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nexus_chassis.limits import KIB, MIB

MAX_LINE_BYTES = 4 * MIB
"""A definition with its inputs, a result, or the rows of one call."""

MAX_TEXT = 8 * KIB
"""Characters of one line of a log, and of the reason of a failure."""

MAX_CONTROL_BYTES = 4096
"""A message between the runner and the process that runs are forked from."""

MAX_SECONDS = 3600
"""The longest time of a run."""

READY = b"{}"
"""What that process sends first."""

Reason = Literal[
    "error",  # the workflow raised; `detail` says what
    "timeout",
    "cpu",
    "memory",
    "output",  # too much was logged or printed
    "files",  # too many or too large files in the temp directory
    "message",  # a message of the run is too long or not readable; its result may not be JSON
    "killed",  # the process ended by a signal or left without a result
    "runner",  # the runner's own fault: the run may be started again
    "sandbox-unavailable",
]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Start(_Message):
    """Run a workflow: Kailash's JSON of it, and the inputs of its nodes.

    `data_nodes` are the node types that mcp-server runs, by Call: name -> names of their parameters. With `only_check`
    nothing is run: the output `faults` lists what Kailash would refuse, each with `place` and `reason`.
    """

    type: Literal["start"] = "start"
    definition: dict[str, Any]
    inputs: dict[str, Any] = {}
    data_nodes: dict[str, list[str]] = {}
    seconds: float = Field(60, gt=0, le=MAX_SECONDS)
    only_check: bool = False


class Call(_Message):
    """Run a data node; answered by an Answer with the same `call`."""

    type: Literal["call"] = "call"
    call: int
    node: str
    parameters: dict[str, Any]


class Answer(_Message):
    """What a data node returned, or why it failed."""

    type: Literal["answer"] = "answer"
    call: int
    outputs: dict[str, Any] = {}
    error: str | None = None


class Log(_Message):
    """A line that the run logged or printed."""

    type: Literal["log"] = "log"
    level: Literal["debug", "info", "warning", "error"]
    logger: Annotated[str, Field(max_length=200)]
    message: Annotated[str, Field(max_length=MAX_TEXT)]


class Finished(_Message):
    """The outputs of all nodes, by node."""

    type: Literal["finished"] = "finished"
    outputs: dict[str, Any]


class Failed(_Message):
    """The run has no result."""

    type: Literal["failed"] = "failed"
    reason: Reason
    detail: Annotated[str, Field(max_length=MAX_TEXT)]


type FromServer = Annotated[Start | Answer, Field(discriminator="type")]
type FromRun = Annotated[Call | Log | Finished | Failed, Field(discriminator="type")]

_from_server: TypeAdapter[Start | Answer] = TypeAdapter(FromServer)
_from_run: TypeAdapter[Call | Log | Finished | Failed] = TypeAdapter(FromRun)


class UnreadableMessageError(Exception):
    """A line is no message."""


def encode(message: _Message) -> bytes:
    """Return a message as a line.

    Raises:
        UnreadableMessageError: It has values that JSON lacks, or is longer than MAX_LINE_BYTES.
    """
    try:
        line = message.model_dump_json().encode() + b"\n"
    except ValueError as error:  # PydanticSerializationError, and texts that are no Unicode
        raise UnreadableMessageError(f"it has a value that JSON lacks: {error}") from None
    if len(line) > MAX_LINE_BYTES:
        raise UnreadableMessageError(f"it has more than {MAX_LINE_BYTES} bytes")
    return line


def decode_from_server(line: bytes) -> Start | Answer:
    """Return what mcp-server sent; raises UnreadableMessageError."""
    return _decode(_from_server, line)


def decode_from_run(line: bytes) -> Call | Log | Finished | Failed:
    """Return what the process of a run sent, as the runner passes it on; raises UnreadableMessageError."""
    return _decode(_from_run, line)


def _decode[M](messages: TypeAdapter[M], line: bytes) -> M:
    try:
        return messages.validate_json(line)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise UnreadableMessageError(f"it is no message: {fault['msg']}") from None
