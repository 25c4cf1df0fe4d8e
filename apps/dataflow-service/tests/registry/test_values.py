"""Whatever is sent for a field of any type comes back with the same value, or is refused by name."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from answers import JSON, invalid, problem
from readings import READING

NUMBERS = [
    *(
        "0",
        "-0",
        "-0.0",
        "1",
        "-1",
        "1.0",
        "1.10",
        "1e2",
        "1E-2",
        "0.1",
        "0.1234567890123456789",
        "1e22",
        "1e23",
        "5e-324",
    ),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
    *(
        "1e99",
        "1e100",
        "1e308",
        "1.7976931348623157e308",
        "1e309",
        "1e-400",
        "1e-99",
        "1e131071",
        "1e999999999",
        "2e-9",
    ),
    *("9" * 100, "9" * 101, "0." + "0" * 99 + "1", "0." + "0" * 100 + "1", "123456789012345678901234567890.0123456789"),
]
TEXTS = [
    *(
        "",
        " ",
        "a",
        "0",
        "-0",
        "1",
        "1.50",
        " 1",
        "1 ",
        "+1",
        "1_0",
        "0x1",
        "1e5",
        "1e308",
        "NaN",
        "nan",
        "Infinity",
        "-inf",
    ),
    *(
        "true",
        "null",
        "\u0000",
        "a\u0000",
        "\u00b2",
        "\u0661",
        "\uff11",
        "\U0001f529",
        "\ufeff",
        "\u2028",
        "'",
        '"',
        "\\",
        "{}",
    ),
    *("2026-02-03", "2026-02-30", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "2026-2-3", "20260203"),
    *("2026-W01-1", "1700000000", "2026-02-03T04:05:06", "2026-02-03T04:05:06Z", "2026-02-03t04:05:06.5z"),
    *(
        "2026-02-03T04:05:06.123456+02:00",
        "2026-02-03T04:05:06.1234567Z",
        "2026-02-03T24:00:00Z",
        "2026-02-03T23:59:60Z",
    ),
    *(
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-02-03T04:05:06+99:00",
        "2026-02-03T04:05:06-00:00",
    ),
    *("2026-02-03 04:05:06Z", "2026-02-03T04:05Z", "infinity", "now", "epoch", "2026-02-03T04:05:06 Europe/Berlin"),
    *(
        "6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11",
        "6F1D3C54-5E0B-4C29-9A3E-0B6A3F7D2C11",
        "6f1d3c545e0b4c299a3e0b6a3f7d2c11",
    ),
    *("{6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11}", "urn:uuid:6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11", "6f1d3c54-5e0b-4c29"),
]
OTHERS = [
    "true",
    "false",
    "null",
    "[]",
    "{}",
    "[1]",
    '{"a": null}',
    '{"a": [{"b": "c"}]}',
    '{"\\u0000": 1}',
    '{"": {"": 1}}',
]
VALUES = [*NUMBERS, *map(json.dumps, TEXTS), *OTHERS]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def _same(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value


READ: Mapping[str, Callable[[Any], Any]] = {
    "text": _same,
    "flag": _same,
    "whole": int,
    "maybe": lambda value: None if value is None else int(value),
    "real": float,
    "exact": Decimal,
    "moment": _moment,
    "day": date.fromisoformat,
    "key": UUID,
    "document": _same,
}


@pytest.mark.parametrize("field", READ)
async def test_a_value_comes_back_or_is_refused(readings: aiohttp.ClientSession, field: str) -> None:
    others = {name: value for name, value in READING.items() if name != field}
    outcomes = {"stored": 0, "refused": 0}
    for value in VALUES:
        body = f'{json.dumps(others)[:-1]}, "{field}": {value}}}'
        response = await readings.post("/v1/reading", data=body.encode(), headers=JSON)
        answer = json.loads(await response.read(), parse_float=Decimal)
        if response.status == 201:
            read = READ[field]
            assert read(answer[field]) == read(json.loads(value, parse_float=Decimal)), value
            outcomes["stored"] += 1
        else:
            assert (response.status, answer["errors"][0]["pointer"]) == (422, f"/body/{field}"), value
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("real", "1e309", "is a number too large for a field of double precision"),
        ("real", "1e-400", "is a number too close to 0 for a field of double precision"),
        ("real", '"1"', "Input should be a valid number"),
        ("exact", "true", "Input should be an instance of Decimal"),
        ("exact", '"1_0"', 'should be a decimal number, such as 12.50 or "12.50"'),
        ("exact", "-0.0", "is or contains -0, which PostgreSQL stores as 0; send 0"),
        (
            "moment",
            '"2026-02-03T04:05:06"',
            "should be a date and time with its offset from UTC, such as 2026-02-03T04:05:06.789Z",
        ),
        ("moment", '"0001-01-01T00:00:00+14:00"', "is no date and time that exists: date value out of range"),
        ("moment", "1700000000", "Input should be a valid datetime"),
        ("day", '"2026-02-03T00:00:00Z"', "should be a date in the form YYYY-MM-DD"),
    ],
)
async def test_what_is_wrong_with_a_value_is_explained(
    readings: aiohttp.ClientSession, field: str, value: str, fault: str
) -> None:
    body = json.dumps(READING).replace(json.dumps(READING[field]), value)
    response = await readings.post("/v1/reading", data=body.encode(), headers=JSON)
    assert (response.status, await problem(response)) == (422, invalid((f"/body/{field}", fault)))


@pytest.mark.parametrize(
    ("sent", "answered"),
    [("1e-7", "0.0000001"), ("1E+5", "100000"), ('"1.10"', "1.10"), ("0.00", "0.00"), ('"-12.50"', "-12.50")],
)
async def test_a_decimal_is_answered_as_text_without_an_exponent(
    readings: aiohttp.ClientSession, sent: str, answered: str
) -> None:
    body = json.dumps(READING).replace(json.dumps(READING["exact"]), sent)
    row = await (await readings.post("/v1/reading", data=body.encode(), headers=JSON)).json()
    page = await (await readings.get("/v1/reading")).json()
    assert [row["exact"], page["items"][0]["exact"]] == [answered] * 2


async def test_a_minus_zero_of_a_double_stays_one(readings: aiohttp.ClientSession) -> None:
    body = json.dumps(READING).replace('"real": 0.1', '"real": -0.0')
    response = await readings.post("/v1/reading", data=body.encode(), headers=JSON)
    assert b'"real":-0.0' in await response.read()
