"""The JSON of changes. Rows in them have the bytes that the endpoints of rows answer."""

from collections.abc import Mapping, Sequence

from pydantic_core import to_json

from dataflow_service.changes.position import Position
from dataflow_service.changes.repository import Change, ChangeSet
from dataflow_service.registry.model import Model

type RowsByPosition = Mapping[Position, bytes]
"""The rows of changes as JSON."""


def feed_json(
    changes: Sequence[Change],
    rows: RowsByPosition,
    models: Mapping[str, Model],
    following: Position,
    *,
    texts: bool = False,
) -> bytes:
    """Return changes as a JSON object with `items` and `next`; with `texts`, ids are strings."""
    of_ids = {} if texts else models
    items = [change_json(change, rows.get(change.position, b"null"), of_ids.get(change.model)) for change in changes]
    return b'{"items":[%b],"next":%b}' % (b",".join(items), to_json(str(following)))


def event(change_set: ChangeSet, model: Model | None) -> dict[str, object]:
    """Return the event of a set for its channel: of one row with its id, of more with the range of their changes."""
    about = {"op": change_set.operation, "event": str(change_set.position), "changed": change_set.changed}
    if change_set.count == 1:
        return {**about, "id": _row_id(change_set.row_id, model)}
    before = Position(change_set.first.xid, change_set.first.id - 1)
    return {**about, "count": change_set.count, "after": str(before)}


def change_json(change: Change, row: bytes, model: Model | None) -> bytes:
    """Return a change, with its row as JSON, as a JSON object."""
    about = {
        "event": str(change.position),
        "at": change.at,
        "model": change.model,
        "op": change.operation,
        "id": _row_id(change.row_id, model),
        "changed": change.changed,
    }
    return b'%b,"row":%b}' % (to_json(about)[:-1], row)


def _row_id(text: str, model: Model | None) -> int | str:
    return int(text) if model is not None and model.has_numbers else text
