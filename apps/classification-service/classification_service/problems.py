"""The service's errors as problem details."""

from classification_service.classify.errors import LlmNotConfiguredError, NoQueueError
from classification_service.encoder.folder import EncoderFolderError
from classification_service.feedback.errors import UnknownLabelsError
from classification_service.jobs.errors import (
    JobsNeedDatabaseError,
    NotFinishedError,
    TableFileError,
    TooManyJobsError,
    UnknownJobError,
)
from classification_service.llm.errors import NoLedgerError
from classification_service.taxonomies.errors import (
    DefaultVersionError,
    ImportRunningError,
    NoDatabaseError,
    NotEmbeddedError,
    StarterVersionError,
    UnknownCodeError,
    UnknownTaxonomyError,
    VersionExistsError,
)
from classification_service.taxonomies.importers.errors import TaxonomyFileError
from nexus_chassis.problems import Problem, ProblemMap


def _unknown_taxonomy(error: UnknownTaxonomyError) -> Problem:
    return Problem(404, "unknown-taxonomy", "There is no such taxonomy", str(error))


def _unknown_code(error: UnknownCodeError) -> Problem:
    return Problem(404, "unknown-code", "The taxonomy has no such code", str(error))


def _no_database(error: NoDatabaseError | JobsNeedDatabaseError) -> Problem:
    return Problem(409, "no-database", "The service has no database", str(error))


def _version_exists(error: VersionExistsError) -> Problem:
    return Problem(409, "version-exists", "The version is there already", str(error))


def _import_running(error: ImportRunningError) -> Problem:
    return Problem(409, "import-running", "Another import is running", str(error), headers={"Retry-After": "5"})


def _starter_version(error: StarterVersionError) -> Problem:
    return Problem(409, "starter-version", "The version is a starter taxonomy", str(error))


def _default_version(error: DefaultVersionError) -> Problem:
    return Problem(409, "default-version", "The version is the default", str(error))


def _not_embedded(error: NotEmbeddedError) -> Problem:
    return Problem(409, "not-embedded", "The version is not ready", str(error), headers={"Retry-After": "10"})


def _invalid_file(error: TaxonomyFileError) -> Problem:
    faults = [{"pointer": f"/body/{fault.place}", "detail": fault.detail} for fault in error.faults]
    return Problem(422, "invalid-taxonomy-file", "The file cannot be imported", str(error), errors=faults)


def _no_queue(error: NoQueueError) -> Problem:
    return Problem(409, "no-review-queue", "The service has no review queue", str(error))


def _unknown_labels(error: UnknownLabelsError) -> Problem:
    faults = [
        {"pointer": f"/body/items/{label.index}/code", "detail": f"there is no code {label.code!r}"}
        for label in error.labels
    ]
    return Problem(422, "unknown-codes", "The taxonomy does not have all the codes", str(error), errors=faults)


def _llm_not_configured(error: LlmNotConfiguredError) -> Problem:
    return Problem(409, "llm-not-configured", "No language model is configured", str(error))


def _unknown_job(error: UnknownJobError) -> Problem:
    return Problem(404, "unknown-job", "There is no such job", str(error))


def _not_finished(error: NotFinishedError) -> Problem:
    return Problem(409, "job-not-done", "The job has no results", str(error))


def _too_many_jobs(error: TooManyJobsError) -> Problem:
    return Problem(
        429, "too-many-jobs", "You have too many jobs", str(error), headers={"Retry-After": "30"}, limit=error.limit
    )


def _invalid_table(error: TableFileError) -> Problem:
    text = str(error).encode(errors="replace").decode()
    return Problem(422, "invalid-job-file", "The file cannot be classified", text)


def _no_ledger(error: NoLedgerError) -> Problem:
    return Problem(409, "no-database", "The service has no database", str(error))


def _encoder_unavailable(error: EncoderFolderError) -> Problem:
    return Problem(503, "encoder-unavailable", "The encoder cannot be opened", str(error))


PROBLEMS: ProblemMap = (
    (UnknownTaxonomyError, _unknown_taxonomy),
    (UnknownCodeError, _unknown_code),
    (NoDatabaseError, _no_database),
    (VersionExistsError, _version_exists),
    (ImportRunningError, _import_running),
    (StarterVersionError, _starter_version),
    (DefaultVersionError, _default_version),
    (NotEmbeddedError, _not_embedded),
    (TaxonomyFileError, _invalid_file),
    (UnknownLabelsError, _unknown_labels),
    (NoQueueError, _no_queue),
    (LlmNotConfiguredError, _llm_not_configured),
    (JobsNeedDatabaseError, _no_database),
    (UnknownJobError, _unknown_job),
    (NotFinishedError, _not_finished),
    (TooManyJobsError, _too_many_jobs),
    (TableFileError, _invalid_table),
    (NoLedgerError, _no_ledger),
    (EncoderFolderError, _encoder_unavailable),
)
