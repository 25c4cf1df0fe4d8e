"""The eleven operations of nodes, each on the service of rows."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from dataflow_service.nodes import outcomes, parsing
from dataflow_service.nodes.outcomes import Outcome
from dataflow_service.nodes.parsing import PARAMETERS, Parameters
from dataflow_service.records import parsing as rows
from dataflow_service.records import query_parsing
from dataflow_service.records.errors import Fault, InvalidRowError
from dataflow_service.records.service import RecordService
from dataflow_service.records.writer import Writing
from dataflow_service.registry.model import Model
from nexus_chassis.principal import Principal


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a node, which changes rows in the transaction that `writing` opens."""

    principal: Principal
    records: RecordService
    writing: Writing
    model: Model
    parameters: Parameters


async def create(call: Call) -> Outcome:
    """Create a row of the fields sent."""
    values = rows.new_row(call.model, call.parameters, PARAMETERS)
    async with call.writing() as writer:
        return outcomes.RowOutcome(call.model, await writer.create(call.model, values))


async def read(call: Call) -> Outcome:
    """Return the row with an id."""
    row_id = parsing.row_id(call.model, call.parameters)
    return outcomes.RowOutcome(call.model, await call.records.read(call.principal, call.model, row_id))


async def update(call: Call) -> Outcome:
    """Set the fields sent of the row with an id."""
    row_id, values = parsing.row_id(call.model, call.parameters), parsing.change(call.model, call.parameters)
    async with call.writing() as writer:
        return outcomes.RowOutcome(call.model, await writer.change(call.model, row_id, values))


async def delete(call: Call) -> Outcome:
    """Delete the row with an id."""
    row_id = parsing.row_id(call.model, call.parameters)
    async with call.writing() as writer:
        await writer.delete(call.model, row_id)
    return outcomes.PlainOutcome({"deleted": True, "id": row_id})


async def list_rows(call: Call) -> Outcome:
    """Return a page of rows: those of a filter and a search, with the fields and in the order asked for."""
    query = query_parsing.of_parameters(call.model, call.parameters, PARAMETERS)
    return outcomes.PageOutcome(await call.records.read_page(call.principal, call.model, query))


async def count(call: Call) -> Outcome:
    """Count the rows of a filter and a search."""
    wanted = query_parsing.wanted_of_parameters(call.model, call.parameters, PARAMETERS)
    number = await call.records.count(call.principal, call.model, *wanted)
    return outcomes.PlainOutcome({"count": number})


async def upsert(call: Call) -> Outcome:
    """Create a row of `where` and `create`, or set the fields `update` of the row that is there."""
    where, create, change = (call.parameters.get(name, {}) for name in ("where", "create", "update"))
    if not isinstance(where, dict) or not isinstance(create, dict):
        raise InvalidRowError([Fault((*PARAMETERS, "where"), "should be an object, and so should create")])
    if repeated := sorted(where.keys() & create.keys()):
        raise InvalidRowError([Fault((*PARAMETERS, "create", repeated[0]), "is in where too; leave it out")])
    unique = parsing.unique_fields(call.model, call.parameters.get("conflict_on"), list(where))
    values = rows.identified_row(call.model, {**where, **create}, unique, PARAMETERS)
    changed = {} if change == {} else rows.change(call.model, change, (*PARAMETERS, "update"))
    async with call.writing() as writer:
        row, is_new = await writer.upsert(call.model, values, unique=unique, changed=changed)
    return outcomes.UpsertOutcome(call.model, row, is_new)


async def bulk_create(call: Call) -> Outcome:
    """Create a row of each item of `data`, all or none."""
    values = rows.new_rows(call.model, call.parameters.get("data"), (*PARAMETERS, "data"))
    async with call.writing() as writer:
        return outcomes.NumberOutcome("created", await writer.create_many(call.model, values))


async def bulk_update(call: Call) -> Outcome:
    """Set the same fields of all rows of a filter, or of each row in `data` its own, all or none."""
    if "data" not in call.parameters:
        wanted, values = parsing.some(call.model, call.parameters), parsing.change(call.model, call.parameters)
        async with call.writing() as writer:
            ids = await writer.change_many(call.model, wanted, values)
    elif len(call.parameters) > 1:
        raise InvalidRowError([Fault(PARAMETERS, "should have either data, or filter and fields")])
    else:
        changes = parsing.changes(call.model, call.parameters["data"])
        async with call.writing() as writer:
            ids = await writer.change_each(call.model, changes)
    return outcomes.NumberOutcome("updated", ids)


async def bulk_delete(call: Call) -> Outcome:
    """Delete all rows of a filter, all or none."""
    wanted = parsing.some(call.model, call.parameters)
    async with call.writing() as writer:
        return outcomes.NumberOutcome("deleted", await writer.delete_many(call.model, wanted))


async def bulk_upsert(call: Call) -> Outcome:
    """Create a row of each item of `data`, or set its fields in the row that is there, all or none."""
    unique = parsing.unique_fields(call.model, call.parameters.get("conflict_on"))
    values, names = parsing.identified_rows(call.model, call.parameters.get("data"), unique)
    async with call.writing() as writer:
        found = await writer.upsert_many(call.model, values, unique=unique, names=names)
    created = sum(is_new for _, is_new in found)
    ids = [row_id for row_id, _ in found]
    return outcomes.PlainOutcome({"created": created, "updated": len(ids) - created, "ids": ids})


OPERATIONS: Mapping[str, Callable[[Call], Awaitable[Outcome]]] = {
    "create": create,
    "read": read,
    "update": update,
    "delete": delete,
    "list": list_rows,
    "count": count,
    "upsert": upsert,
    "bulk_create": bulk_create,
    "bulk_update": bulk_update,
    "bulk_delete": bulk_delete,
    "bulk_upsert": bulk_upsert,
}
"""By Kailash's names."""
