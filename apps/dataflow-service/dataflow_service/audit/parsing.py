"""Makes queries of the parameters of an address."""

from collections.abc import Callable
from typing import Any

from dataflow_service.audit.query import AuditQuery
from dataflow_service.changes.position import Position
from dataflow_service.records.errors import Fault, InvalidQueryError
from dataflow_service.registry.json_values import check_text, to_datetime

_READERS: dict[str, Callable[[str], Any]] = {
    "model": check_text,
    "row": check_text,
    "subject": check_text,
    "since": to_datetime,
    "until": to_datetime,
}


def query_of_address(tenant: str, limit: int, *, after: str | None, **sent: str | None) -> AuditQuery:
    """Return the query that parameters ask for.

    Raises:
        InvalidQueryError: One cannot be read, or `row` is without `model`: ids are those of a model.
    """
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for name, text in sent.items():
        try:
            values[name] = None if text is None else _READERS[name](text)
        except ValueError as error:
            faults.append(Fault(("query", name), str(error)))
    if sent["row"] is not None and sent["model"] is None:
        faults.append(Fault(("query", "row"), "is the id of a row of a model; name the `model` too"))
    place = _position(after, faults)
    if faults:
        raise InvalidQueryError(faults)
    return AuditQuery(tenant=tenant, limit=limit, after=place, **values)


def _position(text: str | None, faults: list[Fault]) -> Position | None:
    try:
        return None if text is None else Position.parse(text)
    except ValueError as error:
        faults.append(Fault(("query", "after"), f"{error} Send `next` or `event` unchanged"))
    return None
