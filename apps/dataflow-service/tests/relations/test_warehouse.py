"""The example package examples/warehouse: it builds a registry, migrates an empty schema and is served."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from answers import problem
from conftest import ROOT, MakeSettings, serving_models

from dataflow_service.registry import loader

MODELS = [
    *("Bin", "Item", "Lot", "Receipt", "ReceiptLine", "Shipment", "ShipmentLine", "Stock", "Warehouse", "Zone"),
]


@pytest.fixture
def warehouse_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the examples importable."""
    monkeypatch.syspath_prepend(ROOT / "examples")


@pytest.fixture
async def warehouse(
    make_settings: MakeSettings,
    token: str,
    warehouse_package: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the warehouse, in which a bin is."""
    async with serving_models(make_settings(models="warehouse"), token) as session:
        await _create(session, "warehouse", id="W1", name="North")
        await _create(session, "zone", id="W1-A", warehouse_id="W1", name="Shelves")
        await _create(session, "bin", id="W1-A-01", zone_id="W1-A")
        yield session


async def _create(client: aiohttp.ClientSession, path: str, **row: object) -> Any:  # noqa: ANN401 - any JSON
    response = await client.post(f"/v1/{path}", json=row)
    assert response.status == 201, await response.text()
    return await response.json()


@pytest.mark.usefixtures("warehouse_package")
def test_the_ten_models_are_related() -> None:
    models = loader.load("warehouse").models
    assert [model.name for model in models] == MODELS
    assert sum(len(model.relations) for model in models) == 14


async def test_rows_are_written_in_bulk_and_read_with_those_that_they_refer_to(
    warehouse: aiohttp.ClientSession,
) -> None:
    items = "id,name\nB-840,Bolt\nN-8,Nut\n"
    csv = {"Content-Type": "text/csv"}
    response = await warehouse.post("/v1/item/bulk", data=items.encode(), headers=csv)
    assert await response.json() == {"created": 2}
    lot = await _create(warehouse, "lot", item_id="B-840", number="L1", expires_on="2027-01-31")
    rows = [
        {"bin_id": "W1-A-01", "item_id": "B-840", "lot_id": lot["id"], "quantity": "12.50"},
        {"bin_id": "W1-A-01", "item_id": "N-8", "quantity": 3},
    ]
    assert (await warehouse.post("/v1/stock/bulk", json=rows)).status == 201
    page = await (await warehouse.get("/v1/stock?expand=bin_id,lot_id&fields=quantity&order=id")).json()
    shelf = await (await warehouse.get("/v1/bin/W1-A-01")).json()
    assert page["items"] == [
        {"quantity": "12.50", "bin": shelf, "lot": lot},
        {"quantity": "3", "bin": shelf, "lot": None},
    ]
    unknown = [{"bin_id": "W1-A-02", "item_id": "N-8", "quantity": 1}]
    refused = await problem(await warehouse.post("/v1/stock/bulk", json=unknown))
    assert (refused["status"], refused["fields"]) == (409, ["bin_id"])


async def test_what_is_in_use_stays_and_lines_go_with_their_shipment(warehouse: aiohttp.ClientSession) -> None:
    await _create(warehouse, "item", id="B-840", name="Bolt")
    lot = await _create(warehouse, "lot", item_id="B-840", number="L1")
    await _create(warehouse, "shipment", id="S1", warehouse_id="W1", receiver="R")
    await _create(warehouse, "shipmentline", shipment_id="S1", item_id="B-840", lot_id=lot["id"], quantity=1)
    for path, referrer in (("warehouse/W1", "zone"), ("zone/W1-A", "bin"), ("item/B-840", "lot")):
        refused = await problem(await warehouse.delete(f"/v1/{path}"))
        assert (refused["type"], refused["status"]) == ("urn:nexus:problem:row-referenced", 409), path
        assert refused["model"] in {referrer, "shipment", "shipmentline"}
    assert (await warehouse.delete(f"/v1/lot/{lot['id']}")).status == 204
    line = (await (await warehouse.get("/v1/shipmentline")).json())["items"][0]
    assert line["lot_id"] is None
    assert (await warehouse.delete("/v1/shipment/S1")).status == 204
    assert await (await warehouse.get("/v1/shipmentline/count")).json() == {"count": 0}
    assert (await warehouse.delete("/v1/item/B-840")).status == 204
