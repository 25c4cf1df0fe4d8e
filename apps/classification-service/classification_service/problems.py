"""The service's errors as problem details."""

from classification_service.classify.errors import LlmNotConfiguredError, NoQueueError
from classification_service.encoder.folder import EncoderFolderError
from classification_service.feedback.errors import AlreadyDecidedError, UnknownLabelsError
from classification_service.jobs.errors import (
    FeaturesOfOtherTaxonomyError,
    JobsNeedDatabaseError,
    NotFinishedError,
    TableFileError,
    TooManyJobsError,
    UnknownJobError,
)
from classification_service.llm.errors import NoLedgerError
from classification_service.model_registry.errors import (
    ModelServesError,
    OutdatedModelError,
    ServingTooLargeError,
    TooManyModelsError,
    UnknownModelError,
    WorseModelError,
)
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
from classification_service.training_runs.errors import TitlesNotEnglishError, TooManyRunsError, UnknownRunError
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


def _already_decided(error: AlreadyDecidedError) -> Problem:
    decided = [
        {"pointer": f"/body/items/{label.index}", "code": label.code, "decided_by": label.decided_by}
        for label in error.labels
    ]
    return Problem(409, "already-decided", "Somebody else has decided already", str(error), decided=decided)


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


def _no_features(error: FeaturesOfOtherTaxonomyError) -> Problem:
    return Problem(422, "no-features", "The taxonomy has no features", str(error))


def _unknown_model(error: UnknownModelError) -> Problem:
    return Problem(404, "unknown-model", "There is no such model", str(error))


def _outdated_model(error: OutdatedModelError) -> Problem:
    return Problem(409, "outdated-model", "The model is of another import", str(error))


def _worse_model(error: WorseModelError) -> Problem:
    return Problem(
        409,
        "worse-model",
        "The model is worse than the one that serves",
        str(error),
        accuracy=error.accuracy,
        serving_accuracy=error.serving_accuracy,
    )


def _model_serves(error: ModelServesError) -> Problem:
    return Problem(409, "model-serves", "The model serves", str(error))


def _serving_too_large(error: ServingTooLargeError) -> Problem:
    return Problem(409, "serving-too-large", "The models that serve are too large", str(error), limit=error.limit)


def _too_many_models(error: TooManyModelsError) -> Problem:
    return Problem(409, "too-many-models", "You have too many models", str(error), limit=error.limit)


def _unknown_run(error: UnknownRunError) -> Problem:
    return Problem(404, "unknown-run", "There is no such run", str(error))


def _too_many_runs(error: TooManyRunsError) -> Problem:
    return Problem(
        429, "too-many-runs", "You have too many runs", str(error), headers={"Retry-After": "30"}, limit=error.limit
    )


def _titles_not_english(error: TitlesNotEnglishError) -> Problem:
    return Problem(409, "titles-not-english", "Models are trained for English titles alone", str(error))


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
    (AlreadyDecidedError, _already_decided),
    (NoQueueError, _no_queue),
    (LlmNotConfiguredError, _llm_not_configured),
    (JobsNeedDatabaseError, _no_database),
    (UnknownJobError, _unknown_job),
    (NotFinishedError, _not_finished),
    (TooManyJobsError, _too_many_jobs),
    (TableFileError, _invalid_table),
    (FeaturesOfOtherTaxonomyError, _no_features),
    (NoLedgerError, _no_ledger),
    (UnknownModelError, _unknown_model),
    (OutdatedModelError, _outdated_model),
    (WorseModelError, _worse_model),
    (ModelServesError, _model_serves),
    (ServingTooLargeError, _serving_too_large),
    (TooManyModelsError, _too_many_models),
    (UnknownRunError, _unknown_run),
    (TooManyRunsError, _too_many_runs),
    (TitlesNotEnglishError, _titles_not_english),
    (EncoderFolderError, _encoder_unavailable),
)
