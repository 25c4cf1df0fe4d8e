"""The answers (RFC 9457) to the errors of the services."""

from collections.abc import Iterable

import asyncpg

from dataflow_service.bulk.errors import (
    BeyondFormatError,
    BulkTimeoutError,
    NoParquetError,
    RefusedRowError,
    StreamTooLongError,
)
from dataflow_service.changes.errors import ChangesDeletedError
from dataflow_service.idempotency.errors import (
    AnswerTooLargeError,
    InvalidKeyError,
    KeyReusedError,
    StillRunningError,
)
from dataflow_service.imports.errors import PartDiffersError, PartRunningError
from dataflow_service.nodes.errors import MissingScopeError, NoSuchNodeError
from dataflow_service.records.errors import (
    Fault,
    InvalidEntityTagsError,
    InvalidQueryError,
    InvalidRowError,
    NoRelatedRowError,
    NoSuchRelationError,
    NoSuchRowError,
    NotComputableError,
    NotStorableError,
    NotUniqueError,
    NoVersionError,
    QueryTimeoutError,
    ReferencedError,
    TenantsMixedError,
    TooManyMatchesError,
    TooManyRelatedError,
    TooManyRowsError,
    VersionMismatchError,
    VersionRequiredError,
)
from dataflow_service.records.preconditions import entity_tag
from dataflow_service.registry.errors import NoSuchModelError
from dataflow_service.schema import errors as schema
from dataflow_service.transactions.errors import OperationRefusedError, TooManyChangesError
from nexus_chassis.challenges import forbidden
from nexus_chassis.problems import Problem, ProblemMap

_RETRY = {"Retry-After": "2"}


def _invalid_key(error: InvalidKeyError) -> Problem:
    return Problem(400, "invalid-idempotency-key", "The Idempotency-Key cannot be used", str(error))


def _key_reused(error: KeyReusedError) -> Problem:
    return Problem(422, "idempotency-key-reused", "The Idempotency-Key belongs to another request", str(error))


def _still_running(error: StillRunningError) -> Problem:
    headers = {"Retry-After": "1"}
    return Problem(409, "request-running", "The request is still running", str(error), headers=headers)


def _part_running(error: PartRunningError) -> Problem:
    return Problem(409, "part-running", "The part is being written", str(error), headers={"Retry-After": "1"})


def _part_differs(error: PartDiffersError) -> Problem:
    return Problem(409, "part-differs", "The part is in with other content", str(error))


def _answer_too_large(error: AnswerTooLargeError) -> Problem:
    return Problem(422, "answer-too-large", "The answer would be too large", str(error), limit=error.limit)


def _operation_refused(error: OperationRefusedError) -> Problem:
    problem = _MAKERS[type(error.refusal)](error.refusal)
    pointer = _pointer(error.place)
    problem.extra["errors"] = [{"pointer": pointer, "detail": problem.detail}]
    problem.detail = f"{pointer}: {problem.detail}"
    return problem


def _too_many_changes(error: TooManyChangesError) -> Problem:
    return Problem(413, "too-many-rows", "There are too many rows in one request", str(error), limit=error.limit)


def _no_such_model(error: NoSuchModelError) -> Problem:
    return Problem(404, "no-such-model", "There is no such model", str(error))


def _no_such_node(error: NoSuchNodeError) -> Problem:
    return Problem(404, "no-such-node", "There is no such node", str(error))


def _missing_scope(error: MissingScopeError) -> Problem:
    return forbidden({error.scope})


def _changes_deleted(error: ChangesDeletedError) -> Problem:
    return Problem(410, "changes-deleted", "The changes are no longer kept", str(error), oldest=str(error.oldest))


def _no_such_relation(error: NoSuchRelationError) -> Problem:
    return Problem(400, "no-such-relation", "There is no such relation", str(error), known=list(error.known))


def _no_such_row(error: NoSuchRowError) -> Problem:
    return Problem(404, "no-such-row", "There is no such row", str(error))


def _version_mismatch(error: VersionMismatchError) -> Problem:
    return Problem(412, "version-mismatch", "The row has changed", str(error), etag=entity_tag(error.version))


def _no_version(error: NoVersionError) -> Problem:
    return Problem(412, "no-version", "There is no such row", str(error))


def _version_required(error: VersionRequiredError) -> Problem:
    return Problem(428, "version-required", "If-Match is missing", str(error))


def _invalid_entity_tags(error: InvalidEntityTagsError) -> Problem:
    return Problem(400, "invalid-entity-tags", "The entity tags cannot be read", str(error), header=error.header)


def _not_unique(error: NotUniqueError) -> Problem:
    return Problem(409, "not-unique", "The value is taken", str(error), fields=list(error.fields))


def _no_related_row(error: NoRelatedRowError) -> Problem:
    return Problem(409, "no-related-row", "A related row is missing", str(error), fields=[error.field])


def _referenced(error: ReferencedError) -> Problem:
    title = "Other rows refer to the row"
    return Problem(409, "row-referenced", title, str(error), model=error.referrer, fields=[error.field])


def _too_many_related(error: TooManyRelatedError) -> Problem:
    title = "Too many rows refer to the row"
    return Problem(422, "too-many-related", title, str(error), limit=error.limit)


def _too_many_rows(error: TooManyRowsError) -> Problem:
    title = "There are too many rows in one request"
    return Problem(413, "too-many-rows", title, str(error), limit=error.limit)


def _too_many_matches(error: TooManyMatchesError) -> Problem:
    return Problem(422, "too-many-matches", "The filter selects too many rows", str(error), limit=error.limit)


def _not_storable(error: NotStorableError) -> Problem:
    return Problem(422, "not-storable", "The database refuses the value", str(error))


def _query_timeout(error: QueryTimeoutError) -> Problem:
    return Problem(503, "query-timeout", "The query takes too long", str(error))


def _not_computable(error: NotComputableError) -> Problem:
    return Problem(422, "not-computable", "The result cannot be computed", str(error))


def _invalid_request(error: InvalidRowError | InvalidQueryError) -> Problem:
    faults = [_fault(fault) for fault in error.faults]
    detail = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in faults)
    return Problem(422, "invalid-request", "The request is not valid", detail, errors=faults)


def _fault(fault: Fault) -> dict[str, object]:
    named: dict[str, object] = {"pointer": _pointer(fault.place), "detail": fault.text}
    return named if fault.line is None else {**named, "line": fault.line}


def _refused_row(error: RefusedRowError) -> Problem:
    problem = _MAKERS[type(error.cause)](error.cause)
    problem.extra["errors"] = [_fault(error.fault)]
    return problem


def _stream_too_long(error: StreamTooLongError) -> Problem:
    title = "There are too many rows in one request"
    return Problem(413, "too-many-rows", title, str(error), limit=error.limit)


def _bulk_timeout(error: BulkTimeoutError) -> Problem:
    return Problem(408, "bulk-timeout", "The request takes too long", str(error))


def _no_parquet(error: NoParquetError) -> Problem:
    return Problem(406, "format-unavailable", "The format is not installed", str(error))


def _beyond_format(error: BeyondFormatError) -> Problem:
    return Problem(422, "beyond-format", "The format has no such value", str(error))


def _pointer(place: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _migration_running(error: schema.MigrationRunningError) -> Problem:
    return Problem(409, "migration-running", "A migration is running", str(error))


def _checksum_mismatch(error: schema.ChecksumMismatchError) -> Problem:
    return Problem(409, "checksum-mismatch", "The plan has changed", str(error), checksum=error.found)


def _destructive_steps(error: schema.DestructiveStepsError) -> Problem:
    return Problem(409, "destructive-steps", "Data would be lost", str(error), statements=list(error.statements))


def _invalid_expression(error: schema.InvalidExpressionError) -> Problem:
    return Problem(409, "invalid-expression", "The expression of a field is not valid", str(error))


def _rows_lack_value(error: schema.RowsLackValueError) -> Problem:
    return Problem(409, "rows-lack-value", "The rows that there are would lack a value", str(error))


def _table_locked(error: schema.TableLockedError) -> Problem:
    return Problem(409, "table-locked", "The table is in use", str(error))


def _step_failed(error: schema.StepFailedError) -> Problem:
    return Problem(409, "migration-step-failed", "PostgreSQL refuses a step", str(error))


def _step_too_slow(error: schema.StepTooSlowError) -> Problem:
    return Problem(409, "migration-step-too-slow", "A step took too long", str(error))


def _nothing_to_roll_back(error: schema.NothingToRollBackError) -> Problem:
    return Problem(409, "nothing-to-roll-back", "There is nothing to roll back", str(error))


def _irreversible(error: schema.IrreversibleError) -> Problem:
    return Problem(409, "irreversible-migration", "The plan cannot be rolled back", str(error))


def _rollback_unfinished(error: schema.RollbackUnfinishedError) -> Problem:
    return Problem(409, "rollback-unfinished", "A rollback comes first", str(error))


def _conflict_retry(_: asyncpg.DeadlockDetectedError | asyncpg.SerializationError) -> Problem:
    detail = "Others changed the same rows in another order at that moment. The request did nothing. Repeat it."
    return Problem(503, "conflict-retry", "The request collided with others", detail, headers={"Retry-After": "1"})


def _search_unavailable(_: asyncpg.UndefinedFunctionError) -> Problem:
    return Problem(
        503,
        "search-unavailable",
        "PostgreSQL cannot search",
        "The database lacks the extension pg_trgm, or the service's role does not find it. Create it in a schema of the role's "
        "search path, such as pg_catalog.",
    )


def _not_migrated(_: asyncpg.SyntaxOrAccessError) -> Problem:
    return Problem(
        503,
        "not-migrated",
        "The table is not migrated",
        "The database lacks the table, a column or an index of the model. Plan and apply the migration of the models.",
        headers=_RETRY,
    )


def _tenants_mixed(error: TenantsMixedError) -> Problem:
    return Problem(503, "tenants-mixed", "The table is not migrated", str(error), headers=_RETRY)


def _tables_changed(_: asyncpg.InvalidCachedStatementError) -> Problem:
    detail = "A migration changed the table under the request, which did nothing. Repeat it."
    return Problem(503, "tables-changed", "The table has just changed", detail, headers=_RETRY)


PROBLEMS: ProblemMap = (
    (asyncpg.DeadlockDetectedError, _conflict_retry),
    (asyncpg.SerializationError, _conflict_retry),
    (asyncpg.UndefinedTableError, _not_migrated),
    (asyncpg.UndefinedColumnError, _not_migrated),
    (asyncpg.InvalidColumnReferenceError, _not_migrated),  # no index is that of an upsert
    (asyncpg.UndefinedFunctionError, _search_unavailable),
    (asyncpg.InvalidCachedStatementError, _tables_changed),
    (InvalidKeyError, _invalid_key),
    (KeyReusedError, _key_reused),
    (StillRunningError, _still_running),
    (AnswerTooLargeError, _answer_too_large),
    (PartRunningError, _part_running),
    (PartDiffersError, _part_differs),
    (OperationRefusedError, _operation_refused),
    (TooManyChangesError, _too_many_changes),
    (NoSuchModelError, _no_such_model),
    (NoSuchNodeError, _no_such_node),
    (MissingScopeError, _missing_scope),
    (ChangesDeletedError, _changes_deleted),
    (RefusedRowError, _refused_row),
    (StreamTooLongError, _stream_too_long),
    (BulkTimeoutError, _bulk_timeout),
    (NoParquetError, _no_parquet),
    (BeyondFormatError, _beyond_format),
    (NoSuchRelationError, _no_such_relation),
    (TenantsMixedError, _tenants_mixed),
    (NoSuchRowError, _no_such_row),
    (VersionMismatchError, _version_mismatch),
    (NoVersionError, _no_version),
    (VersionRequiredError, _version_required),
    (InvalidEntityTagsError, _invalid_entity_tags),
    (NotUniqueError, _not_unique),
    (NoRelatedRowError, _no_related_row),
    (ReferencedError, _referenced),
    (TooManyRelatedError, _too_many_related),
    (TooManyRowsError, _too_many_rows),
    (TooManyMatchesError, _too_many_matches),
    (NotStorableError, _not_storable),
    (QueryTimeoutError, _query_timeout),
    (NotComputableError, _not_computable),
    (InvalidRowError, _invalid_request),
    (InvalidQueryError, _invalid_request),
    (schema.MigrationRunningError, _migration_running),
    (schema.ChecksumMismatchError, _checksum_mismatch),
    (schema.DestructiveStepsError, _destructive_steps),
    (schema.InvalidExpressionError, _invalid_expression),
    (schema.RowsLackValueError, _rows_lack_value),
    (schema.TableLockedError, _table_locked),
    (schema.StepFailedError, _step_failed),
    (schema.StepTooSlowError, _step_too_slow),
    (schema.NothingToRollBackError, _nothing_to_roll_back),
    (schema.IrreversibleError, _irreversible),
    (schema.RollbackUnfinishedError, _rollback_unfinished),
)

_MAKERS = dict(PROBLEMS)
