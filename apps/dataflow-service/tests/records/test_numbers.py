"""A number in a JSON field is a decimal: it comes back with the same value, or is refused."""

import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from answers import JSON, invalid, problem

KEPT = [
    *("0", "7", "-7", "0.1", "-0.1", "1.10", "0.0", "1e5", "1E+5", "-2.5e-3", "100e-2", "6.02214076e23"),
    *("0.1234567890123456789", "100000000000000000000.5", "1208925819614629174706176", "3.141592653589793238462643"),
    *("9007199254740993", "1e99", "1e-100", "9" * 100, "0." + "9" * 100, "-" + "9" * 100 + "." + "9" * 100),
]
REFUSED = [
    "1e308",
    "1e-400",
    "1e100",
    "1e-101",
    "9" * 101,
    "0." + "0" * 100 + "1",
    "1e999999",
    "-1e-999999",
    "1e131071",
]
ZEROS = ["-0.0", "-0", "-0e5", "-0.00", "-0e999"]

TOO_LONG = (
    "is or contains a number with more than 100 digits before or after its decimal point, written without an exponent; "
    "send it as a string in a text field"
)
MINUS_ZERO = "is or contains -0, which PostgreSQL stores as 0; send 0"


def _body(number: str) -> bytes:
    return b'{"name": "x", "attributes": {"value": %s, "list": [{"deep": %s}]}}' % (number.encode(), number.encode())


def _numbers(row: dict[str, Any]) -> list[Decimal]:
    attributes = row["attributes"]
    return [Decimal(attributes["value"]), Decimal(attributes["list"][0]["deep"])]


async def _read(response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401 - any JSON value
    assert response.status in {200, 201}, await response.text()
    return json.loads(await response.read(), parse_float=str, parse_int=str)


async def test_a_number_comes_back_with_every_digit(client: aiohttp.ClientSession) -> None:
    bulk = await client.post("/v1/product/bulk", data=b"[" + b",".join(map(_body, KEPT)) + b"]", headers=JSON)
    ids = (await _read(bulk))["ids"]
    items = (await _read(await client.get("/v1/product?limit=1000")))["items"]
    assert [_numbers(row) for row in items] == [[Decimal(number)] * 2 for number in KEPT]
    for row_id, number in zip(ids, KEPT, strict=True):
        path = f"/v1/product/{row_id}"
        read = await _read(await client.get(path))
        created = await _read(await client.post("/v1/product", data=_body(number), headers=JSON))
        replaced = await _read(await client.put(path, data=_body(number), headers=JSON))
        assert [_numbers(row) for row in (read, created, replaced)] == [[Decimal(number)] * 2] * 3


@pytest.mark.parametrize(("numbers", "fault"), [(REFUSED, TOO_LONG), (ZEROS, MINUS_ZERO)])
async def test_a_number_that_would_not_come_back_is_refused(
    client: aiohttp.ClientSession, numbers: list[str], fault: str
) -> None:
    await client.post("/v1/product", json={"name": "x"})
    for number in numbers:
        for method, path in (("POST", ""), ("PUT", "/1"), ("PATCH", "/1")):
            response = await client.request(method, f"/v1/product{path}", data=_body(number), headers=JSON)
            assert (response.status, await problem(response)) == (422, invalid(("/body/attributes", fault))), number
        response = await client.post("/v1/product/bulk", data=b"[" + _body(number) + b"]", headers=JSON)
        assert (response.status, await problem(response)) == (422, invalid(("/body/0/attributes", fault))), number


@pytest.mark.parametrize("depth", [31, 32])
async def test_an_attribute_is_nested_up_to_32_levels(client: aiohttp.ClientSession, depth: int) -> None:
    body = b'{"name": "x", "attributes": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    row = await (await client.post("/v1/product", data=body, headers=JSON)).json()
    assert row["attributes"] == json.loads(body)["attributes"]


async def test_an_attribute_nested_deeper_is_refused_wherever_it_is_written(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "x"})
    objects = b'{"name": "x", "attributes": ' + b'{"a":' * 33 + b"1" + b"}" * 33 + b"}"
    arrays = b'{"name": "x", "attributes": {"a": ' + b"[" * 32 + b"]" * 32 + b"}}"
    for body in (objects, arrays):
        for method, path in (("POST", ""), ("PUT", "/1"), ("PATCH", "/1")):
            response = await client.request(method, f"/v1/product{path}", data=body, headers=JSON)
            assert await problem(response) == invalid(("/body/attributes", "is nested more than 32 levels deep"))


async def test_attributes_keep_every_json_value(client: aiohttp.ClientSession) -> None:
    attributes: dict[str, object] = {
        "": None,
        "big": 2**80,
        "float": 0.1,
        "flag": False,
        "list": [1, [2, []]],
        "object": {"a": {}},
    }
    row = await (await client.post("/v1/product", json={"name": "x", "attributes": attributes})).json()
    assert row["attributes"] == attributes
