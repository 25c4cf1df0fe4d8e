"""A few of the nodes that Kailash generates in dataflow-service, on rows in memory."""

import itertools
from typing import Any

type Row = dict[str, Any]

_PARAMETERS = {
    "List": ("list", ["filter", "order_by", "limit", "after"]),
    "Create": ("create", ["name", "title"]),
    "Upsert": ("upsert", ["where", "create", "update"]),
    "BulkCreate": ("bulk_create", ["data"]),
    "BulkUpsert": ("bulk_upsert", ["data", "conflict_on"]),
    "BulkUpdate": ("bulk_update", ["data", "filter", "fields"]),
}
MODELS = ("Product", "Document", "PriceList", "PriceItem")
NODES = {f"{model}{kind}Node": (model, kind) for model in MODELS for kind in _PARAMETERS}


def descriptions() -> list[dict[str, Any]]:
    """What GET /v1/nodes answers."""
    return [
        {
            "node": node,
            "model": model,
            "operation": _PARAMETERS[kind][0],
            "parameters": {name: {"type": "str", "required": False} for name in _PARAMETERS[kind][1]},
        }
        for node, (model, kind) in NODES.items()
    ]


def scope_of(node: str) -> str:
    """The scope that a node needs."""
    return "data:read" if NODES[node][1] == "List" else "data:write"


def run_node(rows: dict[str, list[Row]], node: str, parameters: Row) -> Row:
    """Run a node and return its outputs. It refuses what it does not know, as the real one does."""
    model, kind = NODES[node]
    unknown = parameters.keys() - set(_PARAMETERS[kind][1])
    assert not unknown, unknown
    table = rows.setdefault(model, [])
    if kind == "List":
        return _page(table, parameters)
    if kind == "Create":
        return _inserted(table, parameters)
    if kind == "Upsert":
        found, is_new = _upserted(table, parameters["where"], parameters["create"], parameters["update"])
        return {"created": is_new, "record": found}
    if kind == "BulkUpsert":
        return _bulk_upserted(table, parameters)
    if kind == "BulkUpdate":
        for change in parameters["data"]:
            _of_id(table, change["id"]).update(change)
        return {"updated": len(parameters["data"]), "ids": [change["id"] for change in parameters["data"]]}
    made = [_inserted(table, row) for row in parameters["data"]]
    return {"created": len(made), "ids": [row["id"] for row in made]}


def _page(table: list[Row], parameters: Row) -> Row:
    start, limit = int(parameters.get("after", 0)), parameters.get("limit", 50)
    found = [row for row in table if _is_found(row, parameters.get("filter", {}))]
    page = found[start : start + limit]
    return {"items": page, "next": str(start + limit) if len(found) > start + limit else None}


def _is_found(row: Row, wanted: Row) -> bool:
    return all(
        (_at(row, path) is None) == value["$null"] if isinstance(value, dict) else _at(row, path) == value
        for path, value in wanted.items()
    )


def _at(row: Row, path: str) -> Any:  # noqa: ANN401  any JSON value
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _bulk_upserted(table: list[Row], parameters: Row) -> Row:
    unique = parameters["conflict_on"]
    assert len({tuple(row) for row in parameters["data"]}) <= 1, "rows have different fields"
    done = [_upserted(table, {name: row[name] for name in unique}, row, row) for row in parameters["data"]]
    created = sum(is_new for _, is_new in done)
    return {"created": created, "updated": len(done) - created, "ids": [row["id"] for row, _ in done]}


def _upserted(table: list[Row], where: Row, create: Row, update: Row) -> tuple[Row, bool]:
    for row in table:
        if all(row.get(name) == value for name, value in where.items()):
            row.update(update)
            return row, False
    return _inserted(table, {**where, **create}), True


def _inserted(table: list[Row], values: Row) -> Row:
    ids = {row["id"] for row in table if "id" in row}
    table.append({"id": next(number for number in itertools.count(1) if number not in ids), **values})
    return table[-1]


def _of_id(table: list[Row], row_id: object) -> Row:
    return next(row for row in table if row["id"] == row_id)
