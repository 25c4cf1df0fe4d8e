"""What can be wrong with a workflow."""

from typing import NamedTuple

from nexus_chassis.limits import MAX_FAULTS


class Fault(NamedTuple):
    """What is wrong, and where: the path of members, such as "nodes/list/config/limit"."""

    place: str
    reason: str


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
