import aiohttp
from answers import problem
from yarl import URL

OTHER_SPELLINGS = [
    *("+24", "%2B24", "24.0", "24.", "024", "0024", "2_4", "24%0a", "24%09", "%2024", "24%20", "24%00", "-24", "-0"),
    *("0x18", "24e0", "2.4e1", "24n", "%D9%A2%D9%A4", "%EF%BC%92%EF%BC%94", "%C2%B2", "abc", "null", "true", "None"),
    *("9223372036854775808", "-9223372036854775809", "1" * 4300, "24;", "24,25", "24'", "%2224%22", "24%FF"),
]


async def test_an_id_has_one_spelling_and_any_other_names_no_row(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product/bulk", json=[{"name": "x"}] * 30)
    assert (await client.get("/v1/product/24")).status == 200
    for spelling in OTHER_SPELLINGS:
        path = URL(f"/v1/product/{spelling}", encoded=True)
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            response = await client.request(method, path, json={"name": "changed"})
            found = (response.status, (await problem(response))["type"])
            assert found == (404, "urn:nexus:problem:no-such-row"), (method, spelling)
    rows = (await (await client.get("/v1/product")).json())["items"]
    assert [(row["id"], row["name"]) for row in rows] == [(row_id, "x") for row_id in range(1, 31)]


async def test_the_largest_and_smallest_ids_are_ids(client: aiohttp.ClientSession) -> None:
    for row_id in (0, 2**63 - 1, -(2**63)):
        detail = (await problem(await client.get(f"/v1/product/{row_id}")))["detail"]
        assert detail == f"There is no product with the id {row_id}."
