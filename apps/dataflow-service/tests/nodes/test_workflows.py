"""Kailash's generated nodes in a Python process: in a workflow, by direct call, and what they refuse."""

import importlib.util
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from conftest import ROOT, MakeSettings, make_tables
from kailash.nodes.base import NodeRegistry  # type: ignore[import-untyped]

from dataflow_service.embedded import open_nodes
from dataflow_service.nodes.errors import MissingScopeError
from dataflow_service.nodes.service import NodeService
from dataflow_service.records.errors import InvalidRowError, NoSuchRowError
from dataflow_service.registry.errors import NoNodeSessionError
from nexus_chassis.principal import Principal

ME = Principal("me", "test", frozenset({"data:read", "data:write"}), "", 0, "")
READER = Principal("reader", "test", frozenset({"data:read"}), "", 0, "")


def _example(path: Path) -> Any:  # noqa: ANN401 - a module
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def nodes(make_settings: MakeSettings, database: asyncpg.Connection) -> AsyncIterator[NodeService]:
    """The nodes, on a database with no rows."""
    async with open_nodes(make_settings()) as opened:
        await database.execute("TRUNCATE products RESTART IDENTITY CASCADE")
        yield opened


def _node(node: str, /, **config: object) -> Any:  # noqa: ANN401 - generated class without a type
    return NodeRegistry.get(node)(**config)


async def test_the_example_runs_a_workflow(
    make_settings: MakeSettings,
    nodes: NodeService,  # noqa: ARG001 - empties the table
    database: asyncpg.Connection,
) -> None:
    results = await _example(ROOT / "examples/workflow.py").main(make_settings())
    row = {"id": 1, "name": "Hexagon bolt M8 x 40", "sku": "B-840", "supplier": None}
    assert results["bolt"]["created"] is True
    assert {name: results["bolt"]["record"][name] for name in row} == row
    assert results["checked"] == results["classified"]
    assert (results["checked"]["unspsc_code"], results["count"]) == ("31161620", {"count": 1})
    stored = await database.fetchrow("SELECT id, name, unspsc_code FROM products")
    assert stored == (1, "Hexagon bolt M8 x 40", "31161620")


async def test_a_node_runs_by_direct_call(nodes: NodeService) -> None:
    with nodes.acting_for(ME):
        created = await _node("ProductCreateNode", name="x").execute_async(attributes={"a": 1})
        assert await _node("ProductReadNode").execute_async(id=created["id"]) == created
        assert await _node("ProductReadNode", id="${row}").execute_async(row=created["id"]) == created
        assert await _node("ProductReadNode").async_run(id=created["id"]) == created
        with pytest.raises(NoSuchRowError):
            await _node("ProductReadNode", id=9).execute_async()
        with pytest.raises(InvalidRowError, match=r"^body/parameters/nmae is no parameter of ProductCreateNode"):
            await _node("ProductCreateNode", name="x").execute_async(nmae="y")


async def test_values_of_python_are_stored_as_those_of_json_are(
    make_settings: MakeSettings,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> None:
    settings = make_settings(models="rich_types")
    await make_tables(settings)
    moment = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    sent = {
        "colour": Side.LEFT,
        "colours": [Side.LEFT, "blue"],
        "moments": [moment, datetime.max.replace(tzinfo=UTC)],
        "days": (date.min, date.max),
        "keys": [UUID(int=1)],
        "exacts": [Decimal("1.10"), 2],
        "size": {"width": Decimal("0.10"), "measured_at": moment},
    }
    async with open_nodes(settings) as opened:
        with opened.acting_for(ME):
            row = await _node("OfferCreateNode", name="x").execute_async(**sent)
    assert {name: row[name] for name in sent} == {
        "colour": "red",
        "colours": ["red", "blue"],
        "moments": ["2026-02-03T02:05:06Z", "9999-12-31T23:59:59.999999Z"],
        "days": ["0001-01-01", "9999-12-31"],
        "keys": [str(UUID(int=1))],
        "exacts": ["1.10", "2"],
        "size": {"width": "0.10", "unit": "mm", "measured_at": "2026-02-03T02:05:06Z", "notes": {}},
    }


class Side(Enum):
    """Whose texts an Offer may have."""

    LEFT = "red"


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"attributes": {"at": [datetime(2026, 2, 3, 4, 5)]}}, "attributes/at/0"),  # noqa: DTZ001 - what is refused
        ({"supplier": datetime(2026, 2, 3, 4, 5)}, "supplier"),  # noqa: DTZ001 - what is refused
    ],
)
async def test_a_datetime_without_time_zone_is_refused(
    nodes: NodeService, database: asyncpg.Connection, parameters: dict[str, object], place: str
) -> None:
    message = f"^body/parameters/{place} is 2026-02-03T04:05:00, without an offset from UTC; send a datetime with a time zone$"
    with nodes.acting_for(ME), pytest.raises(InvalidRowError, match=message):
        await _node("ProductCreateNode", name="x").execute_async(**parameters)
    with nodes.acting_for(ME), pytest.raises(InvalidRowError, match="without an offset from UTC"):
        await _node("ProductListNode").execute_async(filter={"created_at": {"$gt": datetime(2026, 2, 3)}})  # noqa: DTZ001 - what is refused
    assert await database.fetchval("SELECT count(*) FROM products") == 0


async def test_a_node_acts_for_the_principal_of_the_call(nodes: NodeService) -> None:
    with nodes.acting_for(READER):
        assert await _node("ProductCountNode").execute_async() == {"count": 0}
        with pytest.raises(MissingScopeError, match=r"^ProductCreateNode needs the scope data:write\.$"):
            await _node("ProductCreateNode", name="x").execute_async()
    with pytest.raises(NoNodeSessionError, match=r"^ProductCountNode was called outside a session of the service\."):
        await _node("ProductCountNode").execute_async()


async def test_a_node_in_another_event_loop_is_refused(nodes: NodeService) -> None:
    with nodes.acting_for(ME), pytest.raises(NoNodeSessionError):
        _node("ProductCountNode").execute()
