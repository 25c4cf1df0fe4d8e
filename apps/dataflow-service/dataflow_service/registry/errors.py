"""What can be wrong with a request that names a model."""

from collections.abc import Sequence


class NoSuchModelError(Exception):
    """No model has the name. `known` are the names that there are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no model {name!r}. There are: {', '.join(known)}.")
        self.name = name
        self.known = tuple(known)
