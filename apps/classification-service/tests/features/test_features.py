import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import official_files as files
import pytest
from conftest import client_of

from classification_service.features.class_index import index_class
from classification_service.features.models import EtimClass
from classification_service.features.units import load_units
from classification_service.taxonomies.service import Taxonomies
from classification_service.taxonomies.starter_features import starter_features
from nexus_testkit import Issuer

BREAKER = "EC000042"
SECONDS = 30


async def read(client: aiohttp.ClientSession, items: list[Any], **options: object) -> tuple[int, Any]:
    async with client.post("/v1/features", json={"items": items, **options}) as response:
        return response.status, await response.json()


def values(item: dict[str, Any]) -> dict[str, Any]:
    """The values of an answer by the titles of their features."""
    return {
        one["title"]: one["value"]["title"] if isinstance(one["value"], dict) else one["value"]
        for one in item["features"]
    }


async def test_values_of_a_given_class_with_their_words(client: aiohttp.ClientSession) -> None:
    text = "Circuit breaker 1,5 kA C 16A 3-polig"
    item = {"id": "a", "text": text, "language": "de", "code": BREAKER, "attributes": {"Built-in depth [cm]": 7}}
    status, answer = await read(client, [item])
    [result] = answer["items"]
    confidences = [one.pop("confidence") for one in result["features"]]
    opened = [one["title"] for one in result.pop("open")]
    assert status == 200
    assert (answer["taxonomy"], answer["version"]) == ("etim", "starter-1")
    assert result == {
        "index": 0,
        "id": "a",
        "code": BREAKER,
        "title": "Miniature circuit breakers",
        "code_confidence": None,
        "code_source": "given",
        "features": [
            {
                "code": "EF000889",
                "title": "Tripping characteristic",
                "kind": "alphanumeric",
                "unit": None,
                "value": {"code": "EV000084", "title": "C"},
                "unit_found": None,
                "source": "text",
                "attribute": None,
                "words": "C",
                "start": 23,
                "end": 24,
            },
            {
                "code": "EF008618",
                "title": "Number of poles",
                "kind": "numeric",
                "unit": None,
                "value": 3.0,
                "unit_found": None,
                "source": "text",
                "attribute": None,
                "words": "3",
                "start": 29,
                "end": 30,
            },
            {
                "code": "EF000227",
                "title": "Rated current",
                "kind": "numeric",
                "unit": {"code": "EUXX0001", "title": "A"},
                "value": 16.0,
                "unit_found": "A",
                "source": "text",
                "attribute": None,
                "words": "16A",
                "start": 25,
                "end": 28,
            },
            {
                "code": "EF009556",
                "title": "Breaking capacity",
                "kind": "numeric",
                "unit": {"code": "EUXX0003", "title": "kA"},
                "value": 1.5,
                "unit_found": "kA",
                "source": "text",
                "attribute": None,
                "words": "1,5 kA",
                "start": 16,
                "end": 22,
            },
            {
                "code": "EF000218",
                "title": "Built-in depth",
                "kind": "numeric",
                "unit": {"code": "EUXX0004", "title": "mm"},
                "value": 70.0,
                "unit_found": None,
                "source": "attribute",
                "attribute": "Built-in depth [cm]",
                "words": "7",
                "start": 0,
                "end": 1,
            },
        ],
        "warnings": [],
        "error": None,
    }
    assert all(0.5 <= confidence < 1 for confidence in confidences)
    assert opened == [
        "Rated voltage",
        "Kind of voltage",
        "Width in modules",
        "IP protection",
        "Ambient temperature in operation",
        "With switched neutral",
    ]


async def test_values_of_each_kind(client: aiohttp.ClientSession) -> None:
    text = "MCB tripping characteristic C, -25...+55 °C, with switched neutral, 230 V"
    _, answer = await read(client, [{"text": text, "code": BREAKER}])
    assert values(answer["items"][0]) == {
        "Tripping characteristic": "C",
        "Rated voltage": 230.0,
        "Ambient temperature in operation": [-25.0, 55.0],
        "With switched neutral": True,
    }


async def test_an_item_without_a_code_is_classified_first(client: aiohttp.ClientSession) -> None:
    text = "Miniature circuit breaker 16 A"
    _, answer = await read(client, [{"text": text}])
    async with client.post("/v1/classify", json={"items": [{"text": text}], "taxonomy": "etim"}) as response:
        classified = (await response.json())["items"][0]
    [item] = answer["items"]
    found = [candidate for candidate in classified["candidates"] if candidate["code"] == item["code"]]
    assert (item["code"], item["code_source"], values(item)) == (BREAKER, "model", {"Rated current": 16.0})
    assert item["code_confidence"] in {found[0]["confidence"], classified["confidence"]}


async def test_a_class_that_is_uncertain_comes_with_a_warning(client: aiohttp.ClientSession) -> None:
    _, answer = await read(client, [{"text": "thing 16 A"}])
    [item] = answer["items"]
    assert item["code"].startswith("EC")
    assert (
        f"The class is uncertain ({item['code_confidence']}). Give the code of the class to be sure."
        in item["warnings"]
    )


async def test_a_faulty_item_does_not_spoil_the_others(client: aiohttp.ClientSession) -> None:
    items = [
        {"text": "16 A", "code": BREAKER},
        {"id": "blank", "text": "\N{ZERO WIDTH SPACE} ", "code": BREAKER},
        {"id": "none", "text": "16 A", "code": "EC999999"},
        {"id": "group", "text": "16 A", "code": "EG000020"},
        {"id": "shape", "text": "16 A", "code": "EC 1"},
        "16 A",
        {"text": "16 A", "code": BREAKER, "sku": 1},
    ]
    status, answer = await read(client, items)
    errors = [
        (item["id"], item["error"] and (item["error"]["type"], item["error"]["detail"])) for item in answer["items"]
    ]
    invalid = "urn:nexus:problem:invalid-item"
    assert status == 200
    assert values(answer["items"][0]) == {"Rated current": 16.0}
    assert errors == [
        (None, None),
        ("blank", (invalid, "text: has no letter and no digit")),
        ("none", ("urn:nexus:problem:unknown-code", "etim starter-1 has no code 'EC999999'")),
        (
            "group",
            (
                "urn:nexus:problem:not-a-class",
                "EG000020 is a group; classes alone have features. Give the code of a class below it, or none.",
            ),
        ),
        ("shape", (invalid, "code: String should match pattern '^[A-Za-z0-9]{1,20}$'")),
        (None, (invalid, "item: Input should be a valid dictionary or instance of FeatureItem")),
        (None, (invalid, "sku: Extra inputs are not permitted")),
    ]


async def test_a_class_whose_features_are_not_known_says_so(client: aiohttp.ClientSession) -> None:
    _, answer = await read(client, [{"text": "Ear plugs, yellow", "code": "EC002087"}])
    [item] = answer["items"]
    assert (item["features"], item["open"], item["warnings"]) == ([], [], ["No features are known of EC002087."])


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"items": []}, 422, "invalid-request"),
        ({"items": [{"text": "a"}] * 1001}, 422, "invalid-request"),
        ({"items": [{"text": "a"}], "version": "9.9"}, 404, "unknown-taxonomy"),
        ({"items": [{"text": "a"}], "llm": "always"}, 409, "llm-not-configured"),
        ({"items": [{"text": "a"}], "taxonomy": "unspsc"}, 422, "invalid-request"),
    ],
)
async def test_a_request_that_cannot_be_answered_is_refused(
    client: aiohttp.ClientSession, body: dict[str, object], status: int, kind: str
) -> None:
    async with client.post("/v1/features", json=body) as response:
        answer = await response.json()
    assert (response.status, answer["type"]) == (status, f"urn:nexus:problem:{kind}")


async def test_the_scope_is_needed(issuer: Issuer) -> None:
    async with client_of(issuer, "admin") as session:
        assert (await read(session, [{"text": "a"}]))[0] == 403


async def test_hostile_items_are_answered(client: aiohttp.ClientSession) -> None:
    texts = [
        "9" * 10_000,
        "1e999999 A",
        "1" * 400 + "." + "1" * 400 + " A",
        "m**9**9**9 __import__('os').system('true') 3 A**9",
        "\N{RIGHT-TO-LEFT OVERRIDE}A 61\N{POP DIRECTIONAL FORMATTING} 16 A",
        "１６Ａ",  # noqa: RUF001  full width
        "nan A inf V",
        "1/0 inch 0/0 A",
        "a" * 10_000,
        "((((((((((" * 1000 + "1",
        "\x00 16 A \x1b[31m",
    ]
    hostile = {
        "text": "box",
        "code": BREAKER,
        "attributes": {"Rated current": "1" * 10_000, "": "", "x" * 10_000: "16 A"},
    }
    status, answer = await read(client, [{"text": text, "code": BREAKER} for text in texts] + [hostile])
    assert status == 200
    assert [values(item).get("Rated current") for item in answer["items"]] == [
        *(None, None, None, 3.0, 16.0, 16.0, None, None, None, None, 16.0, None)
    ]


async def test_a_thousand_items_are_answered_in_their_order(client: aiohttp.ClientSession) -> None:
    items = [{"text": f"MCB {number} A", "code": BREAKER} for number in range(1, 1001)]
    status, answer = await read(client, items)
    assert status == 200
    assert [values(item) for item in answer["items"]] == [{"Rated current": float(number)} for number in range(1, 1001)]


def test_the_starter_features_are_of_its_classes_and_have_known_units(taxonomies: Taxonomies) -> None:
    units = load_units()
    starter = taxonomies.get("etim")
    classes = {node.code: starter_features(node.code) for node in starter.nodes if starter_features(node.code)}
    features = [(code, one) for code, own in classes.items() for one in own]
    terms = {value.code: value.title for _, one in features for value in one.values}
    assert len(classes) == 24
    assert [one.title for _, one in features if one.unit is not None and units.named(one.unit.title) is None] == []
    assert [one.title for _, one in features if (one.kind == "alphanumeric") != bool(one.values)] == []
    assert {one.kind for _, one in features} == {"alphanumeric", "numeric", "range", "logical"}
    assert all(code.startswith("EV") and title for code, title in terms.items())
    assert all(len({one.code for one in own}) == len(own) for own in classes.values())
    for code, own in classes.items():
        index_class(EtimClass(code=code, title=code, features=own), units)


async def test_a_class_of_the_starter_has_its_features(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/taxonomies/etim/starter-1/codes/EC010446") as response:
        answer = await response.json()
    assert answer["features"] == [
        {
            "code": "EF002392",
            "title": "Clamping range",
            "kind": "range",
            "unit": {"code": "EUXX0004", "title": "mm"},
            "values": [],
        },
        {
            "code": "EF008160",
            "title": "Band width",
            "kind": "numeric",
            "unit": {"code": "EUXX0004", "title": "mm"},
            "values": [],
        },
        {
            "code": "EF002169",
            "title": "Material",
            "kind": "alphanumeric",
            "unit": None,
            "values": [{"code": "EV000166", "title": "Stainless steel"}, {"code": "EV000179", "title": "Steel"}],
        },
    ]


@pytest.fixture
async def admin(
    issuer: Issuer, database_settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[aiohttp.ClientSession]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with client_of(issuer, "classify", "admin", **database_settings) as session:
        yield session


async def import_etim(client: aiohttp.ClientSession, version: str, **changes: object) -> None:
    """Import a version of ETIM and wait until texts are classified against it."""
    query = {"taxonomy": "etim", "version": version}
    headers = {"Content-Type": "application/zip"}
    content = files.etim_zip({f"{name}.csv": rows for name, rows in changes.items()})
    async with client.post("/v1/taxonomies/import", params=query, data=content, headers=headers) as response:
        assert response.status == 201, await response.text()
    async with asyncio.timeout(SECONDS):
        while True:
            async with client.get(f"/v1/taxonomies/etim/{version}") as response:
                if json.loads(await response.text())["state"] == "ready":
                    return
            await asyncio.sleep(0.05)


async def test_the_features_of_an_imported_version_are_read(admin: aiohttp.ClientSession) -> None:
    await import_etim(admin, "10.0")
    items = [
        {"text": "Jet pump with float, steel, 230 V", "code": "EC011234"},
        {"text": "Jet pump made of plastic 110-240V"},
        {"text": "Coax cable 75 ohm", "code": "EC000019"},
    ]
    status, answer = await read(admin, items, version="10.0")
    assert (status, answer["version"]) == (200, "10.0")
    assert [(item["code"], values(item)) for item in answer["items"]] == [
        ("EC011234", {"Nominal voltage": [230.0, 230.0], "Material": "Steel", "With float": True}),
        ("EC011234", {"Nominal voltage": [110.0, 240.0], "Material": "Plastic"}),
        ("EC000019", {}),
    ]
    assert [one["title"] for one in answer["items"][1]["open"]] == ["With float"]


async def test_two_versions_have_features_of_their_own(admin: aiohttp.ClientSession) -> None:
    await import_etim(admin, "9.0")
    await import_etim(
        admin, "10.0", ETIMVALUE=[["VALUEID", "VALUEDESC"], ["EV000154", "Iron"], ["EV000155", "Plastic"]]
    )
    item = {"text": "pump of steel or iron", "code": "EC011234"}
    found = [(await read(admin, [item], version=version))[1]["items"][0] for version in ("9.0", "10.0", "9.0")]
    assert [values(one) for one in found] == [{"Material": "Steel"}, {"Material": "Iron"}, {"Material": "Steel"}]
