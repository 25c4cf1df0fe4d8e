"""How errors of workflows and runs are answered over HTTP (RFC 9457)."""

from mcp_server.workflows.errors import (
    ArgumentsRefusedError,
    InvalidDefinitionError,
    RunLostError,
    RunnerUnavailableError,
    RunNotFoundError,
    SandboxUnavailableError,
    ScopesMissingError,
    StepMissingError,
    TooManyError,
    TooManyRunsError,
    WorkflowNotFoundError,
)
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import forbidden


def _definition_refused(error: InvalidDefinitionError) -> Problem:
    faults = [{"pointer": f"/body/{fault.place}", "detail": fault.reason} for fault in error.faults]
    return Problem(422, "workflow-refused", "The workflow is not accepted", str(error), errors=faults)


def _arguments_refused(error: ArgumentsRefusedError) -> Problem:
    return Problem(422, "arguments-refused", "The arguments are not valid", str(error))


def _not_found(error: WorkflowNotFoundError) -> Problem:
    return Problem(404, "workflow-not-found", "There is no such workflow", str(error))


def _run_not_found(error: RunNotFoundError) -> Problem:
    return Problem(404, "run-not-found", "There is no such run", str(error))


def _step_missing(error: StepMissingError) -> Problem:
    return Problem(409, "step-missing", "The version is not as far", str(error), state=error.state, needed=error.needed)


def _too_many(error: TooManyError) -> Problem:
    return Problem(409, "too-many-workflows", "There are too many", str(error))


def _too_many_runs(error: TooManyRunsError) -> Problem:
    return Problem(429, "too-many-runs", "There are too many runs", str(error))


def _scopes_missing(error: ScopesMissingError) -> Problem:
    return forbidden(error.missing)


def _sandbox_unavailable(error: SandboxUnavailableError) -> Problem:
    return Problem(503, "sandbox-unavailable", "Workflows cannot be run here", str(error))


def _runner_unavailable(error: RunnerUnavailableError | RunLostError) -> Problem:
    return Problem(503, "runner-unavailable", "Workflows cannot be run now", str(error))


PROBLEMS = (
    (InvalidDefinitionError, _definition_refused),
    (ArgumentsRefusedError, _arguments_refused),
    (WorkflowNotFoundError, _not_found),
    (RunNotFoundError, _run_not_found),
    (StepMissingError, _step_missing),
    (TooManyError, _too_many),
    (TooManyRunsError, _too_many_runs),
    (ScopesMissingError, _scopes_missing),
    (SandboxUnavailableError, _sandbox_unavailable),
    (RunnerUnavailableError, _runner_unavailable),
    (RunLostError, _runner_unavailable),
)
