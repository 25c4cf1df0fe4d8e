"""What can be wrong with a file or a job."""

from uuid import UUID

from classification_service.errors import ClassificationServiceError


class TableFileError(ClassificationServiceError):
    """The file cannot be read as a table of products; the text says where and why."""


class FeaturesOfOtherTaxonomyError(ClassificationServiceError):
    """Features of a taxonomy that has none."""

    def __init__(self, taxonomy: str) -> None:
        super().__init__(f"Only etim has features, and this is {taxonomy}. Leave features out, or classify to etim.")


class JobsNeedDatabaseError(Exception):
    """The service has no database, where the jobs would be."""

    def __init__(self) -> None:
        super().__init__(
            "This service runs without a database, where jobs are kept. Set NEXUS_POSTGRES_URL and NEXUS_POSTGRES_PASSWORD_FILE, "
            "or use the command `classify`."
        )


class UnknownJobError(Exception):
    """The caller has no such job."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(
            f"There is no job {job_id} of yours. It may have been deleted, as finished ones are after some days."
        )


class NotFinishedError(Exception):
    """The job has no results yet, or will have none."""

    def __init__(self, job_id: UUID, state: str) -> None:
        remedy = "Ask again when its state is done." if state == "running" else "Send the file again for a new job."
        super().__init__(f"The job {job_id} is {state}; only one that is done has results. {remedy}")


class TooManyJobsError(Exception):
    """The caller has as many unfinished jobs as one may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} jobs that are not finished, as many as allowed. Wait for one, or cancel one."
        )
        self.limit = limit
