"""What can be wrong with a request for changes."""

from dataflow_service.changes.position import Position


class ChangesDeletedError(Exception):
    """Changes after the position `after` were deleted; `oldest` is before the first that is kept."""

    def __init__(self, after: Position, oldest: Position) -> None:
        super().__init__(
            f"Changes after {after} were deleted: they are kept for a limited time. Read the rows again, and go on with the "
            f"feed from the oldest change that is kept, without `after`, or with after={oldest}."
        )
        self.after = after
        self.oldest = oldest
