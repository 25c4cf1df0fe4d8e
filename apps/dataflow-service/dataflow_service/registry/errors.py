"""What can be wrong with a request that names a model."""

from collections.abc import Sequence


class NoSuchModelError(Exception):
    """No model has the name. `known` are the names that there are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no model {name!r}. There are: {', '.join(known)}.")
        self.name = name
        self.known = tuple(known)


class NoNodeSessionError(Exception):
    """A node was called where it has no database and acts for nobody."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"{node} was called outside a session of the service. Call it within `with nodes.acting_for(principal):`, "
            "in the same event loop: await its execute_async, or run its workflow with AsyncLocalRuntime."
        )
        self.node = node
