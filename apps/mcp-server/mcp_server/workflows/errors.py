"""What can be wrong with a workflow."""

from typing import NamedTuple

from nexus_chassis.limits import MAX_FAULTS


class Fault(NamedTuple):
    """What is wrong, and where: the path of members, such as "nodes/list/config/limit"."""

    place: str
    reason: str


class RunRefusedError(Exception):
    """A run cannot be started or seen; the text tells the caller why."""


class InvalidDefinitionError(Exception):
    """A definition, or the inputs for it, cannot be accepted; `faults` are the first ones."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults[:MAX_FAULTS]
        super().__init__("; ".join(f"{place or '(all)'}: {reason}" for place, reason in self.faults))


class RunnerUnavailableError(Exception):
    """workflow-runner cannot be reached; nothing was run."""

    def __init__(self) -> None:
        super().__init__("workflow-runner does not answer. Nothing was run. Try again later.")


class RunLostError(Exception):
    """workflow-runner ended before a run did: what its data nodes changed until then stays."""

    def __init__(self) -> None:
        super().__init__("workflow-runner ended before the run did. What the run changed until then stays.")


class DataNodeRefusedError(Exception):
    """dataflow-service did not run a node; the text says why."""


class SandboxUnavailableError(RunRefusedError):
    """Runs cannot be confined where workflow-runner is; the text says what is missing."""


class WorkflowNotFoundError(RunRefusedError):
    """There is no such workflow, or not this version or alias of it; `what` says which, as in "version 3"."""

    def __init__(self, name: str, what: str | None = None) -> None:
        super().__init__(f"There is no {'workflow' if what is None else f'{what} of the workflow'} {name!r}.")
        self.name = name
        self.what = what


class RunNotFoundError(RunRefusedError):
    """There is no such run that the caller may see."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id!r:.100} of yours; ended runs are kept for a week.")
        self.run_id = run_id


class StepMissingError(RunRefusedError):
    """A version is not as far as it must be: `state` is what it is, `needed` what it lacks."""

    def __init__(self, name: str, version: int, state: str, needed: str) -> None:
        super().__init__(f"Version {version} of {name!r} is {state}; this needs one that is {needed}.")
        self.version = version
        self.state = state
        self.needed = needed


class TooManyError(Exception):
    """There are `limit` of `what` already."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"There are {limit} {what} already, and no more are permitted.")
        self.what = what
        self.limit = limit


class TooManyRunsError(RunRefusedError):
    """The user has `limit` runs that have not ended."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} runs that have not ended. Wait for some to end, or cancel them.")
        self.limit = limit


class ArgumentsRefusedError(RunRefusedError):
    """The arguments of a run do not agree with the version's input schema; `faults` says how."""

    def __init__(self, faults: str) -> None:
        super().__init__(f"The arguments are not valid: {faults}.")
        self.faults = faults


class ScopesMissingError(RunRefusedError):
    """The caller's token lacks scopes that the nodes of the workflow need."""

    def __init__(self, missing: frozenset[str]) -> None:
        super().__init__(f"The access token lacks the scope {' '.join(sorted(missing))}, which the workflow needs.")
        self.missing = sorted(missing)
