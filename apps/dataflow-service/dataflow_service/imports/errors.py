"""What can be wrong with a part of an import."""


class PartRunningError(Exception):
    """The part is being written."""

    def __init__(self, part: int) -> None:
        super().__init__(f"Part {part} of the import is being written by another request. Repeat this one later.")


class PartDiffersError(Exception):
    """The part is in, with other content or another operation."""

    def __init__(self, part: int) -> None:
        super().__init__(
            f"Part {part} of the import is in already, with other content, as another type or with another operation. It was "
            "not written again. List the parts that are in, or begin another import."
        )
