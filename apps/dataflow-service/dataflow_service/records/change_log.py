"""The SQL that logs changes within the statement that makes them: no change is without its log, no log without its change."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow_service.registry.model import ROW_VERSION, Model
from dataflow_service.registry.quoting import quote_text


@dataclass(frozen=True, slots=True)
class Log:
    """What happens to the rows that a statement returns: all of them, or those with a condition."""

    operation: str
    changed: Sequence[str] = ()
    condition: str = "TRUE"
    keeps_row: bool = True


def logged(
    model: Model, writing: str, logs: Sequence[Log], result: str, *, author: int, before: Sequence[str] = ()
) -> str:
    """Return a statement that runs `writing`, logs the rows that it returns, and returns `result` of them.

    `writing` returns the columns of the model, maybe its version and "was created", or of a deleted row its id. The author
    is in the parameters `author` (the tenant) and `author` + 1. `before` are the parts of WITH that `writing` needs.
    """
    parts = [*before, f"written AS ({writing})", *(part for log in logs for part in _parts(model, log, author))]
    return f"WITH {', '.join(parts)} SELECT {result} FROM written"  # noqa: S608 - the parts are the service's own


def _parts(model: Model, log: Log, author: int) -> tuple[str, str]:
    rows = f"FROM written WHERE {log.condition}"
    changed = f"ARRAY[{', '.join(map(quote_text, log.changed))}]::text[]"
    values = f"{quote_text(model.path)}, '{log.operation}', {changed}, ${author}::text, ${author + 1}::jsonb"
    change_set = (
        f"INSERT INTO change_sets (model, operation, changed, tenant, author) "
        f"SELECT {values} WHERE EXISTS (SELECT {rows}) RETURNING id"
    )
    row = f"to_jsonb(written) - '{{was created,{ROW_VERSION}}}'::text[]" if log.keeps_row else "NULL"
    changes = (
        f"INSERT INTO changes (set_id, row_id, row) "  # noqa: S608 - names are of the registry, values are parameters
        f'SELECT (SELECT id FROM {log.operation}_set), "id"::text, {row} {rows}'
    )
    return f"{log.operation}_set AS ({change_set})", f"{log.operation}_log AS ({changes})"
