"""What can be wrong with a run of training."""

from uuid import UUID

from classification_service.errors import ClassificationServiceError


class UnknownRunError(Exception):
    """The caller has no such run."""

    def __init__(self, run: UUID) -> None:
        super().__init__(f"There is no run {run} of yours. GET /v1/models/runs lists them.")


class TooManyRunsError(Exception):
    """The tenant has as many unfinished runs as one may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} runs of training that are not finished, as many as allowed. Wait for one, or cancel one."
        )
        self.limit = limit


class TitlesNotEnglishError(Exception):
    """The titles of the taxonomy are in a language that trained models do not answer in."""

    def __init__(self, taxonomy: str, version: str, language: str) -> None:
        super().__init__(
            f"The titles of {taxonomy} {version} are in {language!r}, and trained models answer English texts by English titles. "
            "Corrections count without training; to train, import the English file as another version."
        )


class RunError(ClassificationServiceError):
    """The run cannot be done, now or later."""


class ChildEndedError(Exception):
    """The process that trains has ended without a result; another attempt may succeed."""
