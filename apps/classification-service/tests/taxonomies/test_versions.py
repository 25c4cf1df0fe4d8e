import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import official_files as files
import pytest
from conftest import client_of

from nexus_testkit.issuer import Issuer

XLSX = files.xlsx([*files.NOTICES, files.WIDE, *files.COMMODITIES])


@pytest.fixture
async def admin(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", "admin", **database_settings) as session:
        yield session


async def post_file(
    client: aiohttp.ClientSession, content: object, media_type: str = "application/octet-stream", **query: str
) -> tuple[int, Any]:
    parameters = {"taxonomy": "unspsc", "version": "26.0801"} | query
    headers = {"Content-Type": media_type}
    async with client.post("/v1/taxonomies/import", params=parameters, data=content, headers=headers) as response:
        return response.status, await response.json()


async def get(client: aiohttp.ClientSession, path: str, **query: str | int) -> Any:  # noqa: ANN401  JSON
    async with client.get(f"/v1/taxonomies{path}", params=query) as response:
        return await response.json()


def refs(*codes: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"code": code, "level": level, "title": title} for code, level, title in codes]


async def names(client: aiohttp.ClientSession) -> list[str]:
    return [f"{one['name']} {one['version']}" for one in (await get(client, ""))["taxonomies"]]


STARTERS = ["unspsc starter-1", "etim starter-1"]
TOOLS = ("27000000", "segment", "Tools")
POWER_TOOLS = ("27112700", "class", "Power tools")
DRILLS = ("27112703", "commodity", "Power drills")
SAWS = ("27112704", "commodity", "Power saws")
GARDEN_PUMPS = ("40151510", "commodity", "Garden pumps")


async def test_an_official_file_becomes_a_version_beside_the_starter(admin: aiohttp.ClientSession) -> None:
    status, answer = await post_file(admin, XLSX)
    imported_at, embedded, multilingual, state = (
        answer.pop(name) for name in ("imported_at", "embedded", "multilingual", "state")
    )
    assert (status, answer) == (
        201,
        {
            "name": "unspsc",
            "version": "26.0801",
            "title": "UNSPSC 26.0801",
            "codes": 9,
            "levels": {"segment": 2, "family": 2, "class": 2, "commodity": 3},
            "default": False,
            "language": "en",
            "source": "UNSPSC XLSX",
        },
    )
    assert (bool(imported_at), 0 <= embedded <= 9, 0 <= multilingual <= 9) == (True, True, True)
    assert state in {"embedding", "ready"}
    assert await names(admin) == [*STARTERS, "unspsc 26.0801"]
    assert await get(admin, "/unspsc/26.0801/codes/27112703") == {
        "code": "27112703",
        "level": "commodity",
        "title": "Power drills",
        "definition": "A drill with a motor",
        "examples": ["Electric drill", "Borer", "PD"],
        "path": refs(TOOLS, ("27110000", "family", "Hand tools"), POWER_TOOLS, DRILLS),
        "children": [],
        "features": [],
    }
    assert (await get(admin, "/unspsc/26.0801/codes/27112700"))["children"] == refs(DRILLS, SAWS)


async def test_an_etim_class_has_its_features_in_order_with_units_and_values(admin: aiohttp.ClientSession) -> None:
    assert (await post_file(admin, files.etim_zip(), taxonomy="etim", version="10.0"))[0] == 201
    answer = await get(admin, "/etim/10.0/codes/EC011234")
    assert answer == {
        "code": "EC011234",
        "level": "class",
        "title": "Garden pump",
        "definition": None,
        "examples": ["Jet pump", 'Pump; "garden"'],
        "path": refs(("EG000017", "group", "Pumps"), ("EC011234", "class", "Garden pump")),
        "children": [],
        "features": [
            {
                "code": "EF000002",
                "title": "Nominal voltage",
                "kind": "range",
                "unit": {"code": "EU570448", "title": "V"},
                "values": [],
            },
            {
                "code": "EF000008",
                "title": "Material",
                "kind": "alphanumeric",
                "unit": None,
                "values": [{"code": "EV000155", "title": "Plastic"}, {"code": "EV000154", "title": "Steel"}],
            },
            {"code": "EFDE0020", "title": "With float", "kind": "logical", "unit": None, "values": []},
        ],
    }


async def test_ixf_has_the_kinds_of_features_beside_the_features(admin: aiohttp.ClientSession) -> None:
    query = {"taxonomy": "etim", "version": "10.0-de", "language": "de"}
    assert (await post_file(admin, files.IXF.encode(), "application/xml", **query))[0] == 201
    answer = await get(admin, "/etim/10.0-de/codes/EC011234")
    assert [(feature["title"], feature["kind"]) for feature in answer["features"]] == [
        ("Nennspannung", "range"),
        ("Werkstoff", "alphanumeric"),
    ]


async def test_codes_are_listed_level_by_level_in_pages(admin: aiohttp.ClientSession) -> None:
    await post_file(admin, XLSX)
    first = await get(admin, "/unspsc/26.0801/codes", limit=1)
    assert first == {"items": refs(TOOLS), "next": "27000000"}
    second = await get(admin, "/unspsc/26.0801/codes", limit=1, after=first["next"])
    assert second == {"items": refs(("40000000", "segment", "Flow")), "next": None}
    assert await get(admin, "/unspsc/26.0801/codes", parent="27112700") == {"items": refs(DRILLS, SAWS), "next": None}
    starter = await get(admin, "/unspsc/starter-1/codes", parent="31170000", limit=1)
    assert starter == {"items": refs(("31171500", "class", "Bearings")), "next": None}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2711270", [POWER_TOOLS, DRILLS, SAWS]),
        ("power", [SAWS, POWER_TOOLS, DRILLS]),
        ("DRILL pow", [DRILLS]),
        ("bor", [DRILLS]),
        ("pumps garden", [GARDEN_PUMPS]),
        ("no such thing", []),
        ("'; DROP TABLE taxonomies --", []),
        ("&|!():*\\", []),
        ("100%_", []),
        ("\0", []),
    ],
)
async def test_a_search_finds_codes_by_their_beginning_and_by_words(
    admin: aiohttp.ClientSession, text: str, found: list[tuple[str, str, str]]
) -> None:
    await post_file(admin, XLSX)
    assert await get(admin, "/unspsc/26.0801/search", q=text) == {"items": refs(*found), "next": None}


@pytest.mark.parametrize(
    ("version", "text"), [("26.0801", "power"), ("26.0801", "27"), ("starter-1", "b"), ("starter-1", "31")]
)
async def test_pages_of_a_search_join_to_the_whole(admin: aiohttp.ClientSession, version: str, text: str) -> None:
    await post_file(admin, XLSX)
    whole = (await get(admin, f"/unspsc/{version}/search", q=text, limit=1000))["items"]
    joined: list[dict[str, str]] = []
    page = await get(admin, f"/unspsc/{version}/search", q=text, limit=2)
    joined += page["items"]
    while page["next"] is not None:
        page = await get(admin, f"/unspsc/{version}/search", q=text, limit=2, after=page["next"])
        joined += page["items"]
    assert len(whole) > 2
    assert joined == whole


async def test_changes_between_versions_are_reported(admin: aiohttp.ClientSession) -> None:
    await post_file(admin, XLSX)
    await post_file(admin, files.xlsx([files.WIDE, *files.NEWER]), version="27.0101")
    answer = await get(admin, "/unspsc/27.0101/changes", since="26.0801")
    items = {item["code"]: item for item in answer.pop("items")}
    assert answer == {
        "taxonomy": "unspsc",
        "version": "27.0101",
        "since": "26.0801",
        "counts": {"added": 2, "retired": 4, "moved": 1, "retitled": 1},
        "next": None,
    }
    assert {code: item["changes"] for code, item in items.items()} == {
        "27112703": ["retitled"],
        "27112704": ["retired"],
        "27112799": ["moved"],
        "27112800": ["added"],
        "27112801": ["added"],
        "40000000": ["retired"],
        "40150000": ["retired"],
        "40151500": ["retired"],
        "40151510": ["moved"],
    }
    assert items["40151510"] == {
        "code": "40151510",
        "changes": ["moved"],
        "before": {"level": "commodity", "title": "Garden pumps", "parent": "40151500"},
        "after": None,
        "other_code": "27112799",
    }
    page = await get(admin, "/unspsc/27.0101/changes", since="26.0801", limit=3, after="27112704")
    assert ([item["code"] for item in page["items"]], page["next"]) == (
        ["27112799", "27112800", "27112801"],
        "27112801",
    )


async def test_a_class_in_another_group_has_moved(admin: aiohttp.ClientSession) -> None:
    classes = [[*row] for row in files.ETIM["ETIMARTCLASS.csv"]]
    classes[1][1] = "EG000017"
    await post_file(admin, files.etim_zip(), taxonomy="etim", version="9.0")
    await post_file(admin, files.etim_zip({"ETIMARTCLASS.csv": classes}), taxonomy="etim", version="10.0")
    answer = await get(admin, "/etim/10.0/changes", since="9.0")
    assert (answer["counts"], answer["items"]) == (
        {"added": 0, "retired": 0, "moved": 1, "retitled": 0},
        [
            {
                "code": "EC000019",
                "changes": ["moved"],
                "before": {"level": "class", "title": "Coax cable", "parent": "EG000001"},
                "after": {"level": "class", "title": "Coax cable", "parent": "EG000017"},
                "other_code": None,
            }
        ],
    )


async def test_a_faulty_file_is_refused_and_nothing_of_it_is_stored(admin: aiohttp.ClientSession) -> None:
    rows = [[f"27{number:06}", "Tool"] for number in range(5000)]
    content = files.csv_bytes([["code", "title"], *rows, ["27000000", "Tools"], ["1", "x"]])
    assert await post_file(admin, content, "text/csv") == (
        422,
        {
            "type": "urn:nexus:problem:invalid-taxonomy-file",
            "title": "The file cannot be imported",
            "status": 422,
            "detail": "line 5003: '1' is not a UNSPSC code, which has 8 digits",
            "errors": [{"pointer": "/body/line 5003", "detail": "'1' is not a UNSPSC code, which has 8 digits"}],
        },
    )
    assert await names(admin) == STARTERS
    assert (await post_file(admin, XLSX))[0] == 201


async def test_a_version_is_imported_once(admin: aiohttp.ClientSession) -> None:
    await post_file(admin, XLSX)
    for version in ("26.0801", "starter-1"):
        assert await post_file(admin, XLSX, version=version) == (
            409,
            {
                "type": "urn:nexus:problem:version-exists",
                "title": "The version is there already",
                "status": 409,
                "detail": f"unspsc {version} is there already. Import the file under another version.",
            },
        )


async def test_imports_take_turns(admin: aiohttp.ClientSession, postgres_url: str) -> None:
    other = await asyncpg.connect(postgres_url)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('import ' || current_schema()))")
        status, answer = await post_file(admin, XLSX)
    await other.close()
    assert (status, answer["type"]) == (409, "urn:nexus:problem:import-running")
    assert (await post_file(admin, XLSX))[0] == 201


async def test_only_administrators_import_and_choose_versions(
    issuer: Issuer, database_settings: dict[str, object]
) -> None:
    async with client_of(issuer, "classify", **database_settings) as client:
        status, answer = await post_file(client, XLSX)
        async with client.put("/v1/taxonomies/unspsc/default", json={"version": "starter-1"}) as response:
            assert response.status == 403
    assert (status, answer["missing_scopes"]) == (403, ["admin"])


async def test_a_service_without_database_imports_nothing(issuer: Issuer) -> None:
    async with client_of(issuer, "classify", "admin") as client:
        assert await post_file(client, XLSX) == (
            409,
            {
                "type": "urn:nexus:problem:no-database",
                "title": "The service has no database",
                "status": 409,
                "detail": "This service runs without a database, where imported taxonomies, decisions and models are. Set "
                "NEXUS_POSTGRES_URL and NEXUS_POSTGRES_PASSWORD_FILE.",
            },
        )


async def test_a_file_above_the_limit_or_of_another_type_is_refused(
    issuer: Issuer, database_settings: dict[str, object]
) -> None:
    async with client_of(issuer, "classify", "admin", import_bytes=2048, **database_settings) as client:
        assert (await post_file(client, XLSX + bytes(2048)))[0] == 413
        assert (await post_file(client, _parts(XLSX + bytes(2048))))[0] == 413
        assert (await post_file(client, XLSX, "application/json"))[0] == 415


async def _parts(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


async def test_an_upload_that_breaks_off_stores_nothing(admin: aiohttp.ClientSession) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield files.csv_bytes(files.CSV_TABLE)
        raise ConnectionResetError

    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await post_file(admin, broken(), "text/csv")
    await asyncio.sleep(0.1)
    assert await names(admin) == STARTERS
    assert (await post_file(admin, XLSX))[0] == 201


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/unspsc/9/codes/27000000", 404, "unknown-taxonomy"),
        ("/unspsc/26.0801/codes/99999999", 404, "unknown-code"),
        ("/unspsc/26.0801/changes?since=starter-1", 409, "starter-version"),
        ("/unspsc/26.0801/changes?since=25", 404, "unknown-taxonomy"),
        ("/unspsc/26.0801/search?q=a&after=nowhere", 422, "invalid-request"),
        ("/unspsc/26.0801/search?q=%00&after=0-0-%00", 422, "invalid-request"),
        ("/unspsc/26.0801/codes/%00", 422, "invalid-request"),
        ("/unspsc/%00/codes/1", 422, "invalid-request"),
        ("/unspsc/26.0801/search?q=a&limit=1001", 422, "invalid-request"),
        ("/unspsc/26.0801/search", 422, "invalid-request"),
    ],
)
async def test_what_is_not_there_is_named(admin: aiohttp.ClientSession, path: str, status: int, kind: str) -> None:
    await post_file(admin, XLSX)
    async with admin.get(f"/v1/taxonomies{path}") as response:
        answer = await response.json()
    assert (response.status, answer["type"]) == (status, f"urn:nexus:problem:{kind}")


async def test_the_starters_are_served_while_postgresql_is_away(
    issuer: Issuer, database_settings: dict[str, object]
) -> None:
    away = database_settings | {"postgres_url": "postgresql://nobody@127.0.0.1:9/nexus"}
    async with client_of(issuer, "classify", **away) as client:
        body = {"items": [{"text": "ball bearing"}], "taxonomy": "unspsc"}
        async with client.post("/v1/classify", json=body) as response:
            assert (await response.json())["items"][0]["code"] == "31171504"
        async with client.get("/readyz") as response:
            assert (response.status, await response.json()) == (503, {"status": "starting"})
        async with client.get("/v1/taxonomies/unspsc/26/codes/1") as response:
            assert response.status == 503


async def test_health_names_postgresql(admin: aiohttp.ClientSession) -> None:
    async with admin.get("/health") as response:
        checks = (await response.json())["checks"]
    assert {name: check["status"] for name, check in checks.items()} == {
        "model": "ok",
        "models": "ok",
        "postgres": "ok",
    }


async def delete(client: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with client.delete(f"/v1/taxonomies{path}") as response:
        return response.status, await response.json() if response.status != 204 else None


async def test_a_version_is_deleted_with_all_that_belongs_to_it(
    admin: aiohttp.ClientSession, postgres_url: str
) -> None:
    await post_file(admin, files.etim_zip(), taxonomy="etim", version="10.0")
    await post_file(admin, files.etim_zip(), taxonomy="etim", version="11.0")
    assert await delete(admin, "/etim/10.0") == (204, None)
    assert await names(admin) == [*STARTERS, "etim 11.0"]
    connection = await asyncpg.connect(postgres_url)
    for table in ("taxonomy_nodes", "etim_terms", "etim_class_features"):
        rows = await connection.fetch(
            f"SELECT version FROM {table} LEFT JOIN taxonomies ON id = taxonomy_id GROUP BY 1"  # noqa: S608  names above
        )
        assert [row["version"] for row in rows] == ["11.0"]
    await connection.close()
    assert (await delete(admin, "/etim/10.0"))[0] == 404
    assert (await post_file(admin, files.etim_zip(), taxonomy="etim", version="10.0"))[0] == 201


async def test_a_starter_and_the_default_are_not_deleted(admin: aiohttp.ClientSession, postgres_url: str) -> None:
    assert await delete(admin, "/unspsc/starter-1") == (
        409,
        {
            "type": "urn:nexus:problem:starter-version",
            "title": "The version is a starter taxonomy",
            "status": 409,
            "detail": "unspsc starter-1 is a starter taxonomy. Only imported versions are compared and deleted.",
        },
    )
    await post_file(admin, XLSX)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(
        "INSERT INTO taxonomy_defaults (name, version, switched_by) VALUES ('unspsc', '26.0801', 'me')"
    )
    await connection.close()
    assert await delete(admin, "/unspsc/26.0801") == (
        409,
        {
            "type": "urn:nexus:problem:default-version",
            "title": "The version is the default",
            "status": 409,
            "detail": "unspsc 26.0801 is the default: requests that name no version get it. Choose another default first, "
            "by PUT /v1/taxonomies/unspsc/default.",
        },
    )
    assert (await get(admin, "/unspsc/26.0801/codes/27112703"))["title"] == "Power drills"


async def test_vectors_of_a_deleted_version_are_not_stored(admin: aiohttp.ClientSession, postgres_url: str) -> None:
    rows = [[f"27{number:06}", f"Tool number {number}"] for number in range(10_101, 12_100) if number % 100]
    above = {f"{code[:4]}0000" for code, _ in rows} | {f"{code[:6]}00" for code, _ in rows} | {"27000000"}
    content = files.csv_bytes([["code", "title"], *([code, f"Tools {code}"] for code in sorted(above)), *rows])
    assert (await post_file(admin, content, "text/csv"))[0] == 201
    assert (await delete(admin, "/unspsc/26.0801"))[0] == 204
    await asyncio.sleep(3)  # a chunk that was being computed is done
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT count(*) FROM taxonomy_vectors") == 0
    await connection.close()
    async with admin.get("/health") as response:
        assert (await response.json())["status"] == "ok"


async def test_only_administrators_delete(issuer: Issuer, database_settings: dict[str, object]) -> None:
    async with client_of(issuer, "classify", **database_settings) as client:
        assert (await delete(client, "/unspsc/26.0801"))[0] == 403
