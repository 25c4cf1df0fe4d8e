"""The JSON of the audit."""

from collections.abc import Mapping, Sequence

from pydantic_core import to_json

from dataflow_service.audit.repository import Entry
from dataflow_service.changes.encoding import RowsByPosition, change_json
from dataflow_service.changes.position import Position
from dataflow_service.registry.model import Model


def page_json(
    entries: Sequence[Entry], rows: RowsByPosition, models: Mapping[str, Model], following: Position | None
) -> bytes:
    """Return changes, as the feed has them, each with its author, as a JSON object with `items` and `next`."""
    items = [
        b'%b,"author":%b}'
        % (
            change_json(entry.change, rows.get(entry.change.position, b"null"), models.get(entry.change.model))[:-1],
            entry.author.encode(),
        )
        for entry in entries
    ]
    return b'{"items":[%b],"next":%b}' % (b",".join(items), to_json(None if following is None else str(following)))
