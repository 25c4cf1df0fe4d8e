"""What can be wrong with a call of a node."""

from collections.abc import Sequence


class NoSuchNodeError(Exception):
    """No node has the name. `known` are the names that there are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no node {name!r}. There are: {', '.join(known)}.")
        self.name = name
        self.known = tuple(known)


class MissingScopeError(Exception):
    """The principal lacks the scope that a node needs."""

    def __init__(self, node: str, scope: str) -> None:
        super().__init__(f"{node} needs the scope {scope}.")
        self.node = node
        self.scope = scope
