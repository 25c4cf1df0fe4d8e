import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

JSON = {"Content-Type": "application/json"}


async def send(http: aiohttp.ClientSession, method: str, url: str, body: object, **headers: str) -> tuple[int, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()} or JSON
    async with http.request(
        method, url, data=body, headers=names, skip_auto_headers=["Content-Type"], allow_redirects=False
    ) as response:
        return response.status, await response.json(content_type=None)


def problem(status: int, slug: str, title: str, detail: str, **extra: object) -> tuple[int, dict[str, object]]:
    return status, {"type": f"urn:nexus:problem:{slug}", "title": title, "status": status, "detail": detail, **extra}


def invalid(*faults: tuple[str, str]) -> tuple[int, dict[str, object]]:
    errors = [{"pointer": pointer, "detail": detail} for pointer, detail in faults]
    detail = "; ".join(f"{pointer}: {text}" for pointer, text in faults)
    return problem(422, "invalid-request", "The request is not valid", detail, errors=errors)


async def test_a_body_becomes_a_model(service: str, http: aiohttp.ClientSession) -> None:
    assert await send(http, "POST", f"{service}/sizes", b'{"width": 3}') == (201, {"width": 3, "unit": "mm"})


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/vnd.nexus+json", "Application/JSON"],
)
async def test_json_media_types_are_accepted(service: str, http: aiohttp.ClientSession, content_type: str) -> None:
    status, _ = await send(http, "POST", f"{service}/sizes", b'{"width": 3}', Content_Type=content_type)

    assert status == 201


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"X": "y"}, "Found no Content-Type."),
        ({"Content-Type": "text/plain"}, "Found Content-Type 'text/plain'."),
        (
            {"Content-Type": "application/json; charset=utf-16"},
            "Found Content-Type 'application/json; charset=utf-16'.",
        ),
        (
            {"Content-Type": "application/x-www-form-urlencoded"},
            "Found Content-Type 'application/x-www-form-urlencoded'.",
        ),
    ],
)
async def test_other_media_types_are_refused(
    service: str, http: aiohttp.ClientSession, headers: dict[str, str], found: str
) -> None:
    assert await send(http, "POST", f"{service}/sizes", b'{"width": 3}', **headers) == problem(
        415,
        "unsupported-media-type",
        "The body is not of a type that is accepted here",
        f"{found} Send JSON in UTF-8 with 'Content-Type: application/json'.",
    )


@pytest.mark.parametrize("path", ["/sizes", "/value"])
async def test_a_compressed_body_is_refused(service: str, http: aiohttp.ClientSession, path: str) -> None:
    method = "POST" if path == "/sizes" else "PUT"
    body = bytes.fromhex("1f8b0800000000000003ab562acf4c29c95056305600000000ffff")
    answer = await send(
        http, method, f"{service}{path}", body, **{"Content-Type": "application/json", "Content-Encoding": "gzip"}
    )

    assert answer == problem(
        415,
        "unsupported-media-type",
        "The body is not of a type that is accepted here",
        "Found Content-Encoding 'gzip'. Send the body uncompressed.",
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b'{"width": NaN}', "NaN is not JSON"),
        (b'{"width": 1, "width": 2}', "the name 'width' is given twice in one object"),
        ('{"width": 1}'.encode("utf-16"), "it is not UTF-8: byte 0 is 0xff"),
    ],
)
async def test_what_is_not_strict_json_is_refused(
    service: str, http: aiohttp.ClientSession, body: bytes, reason: str
) -> None:
    expected = problem(422, "invalid-json", "The body is not valid JSON", f"The body cannot be read: {reason}.")

    assert await send(http, "POST", f"{service}/sizes", body) == expected
    assert await send(http, "PUT", f"{service}/value", body) == expected


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"width": "3"}, ("/body/width", "Input should be a valid integer")),
        ({"width": True}, ("/body/width", "Input should be a valid integer")),
        ({"width": 3, "colour": 1}, ("/body/colour", "Extra inputs are not permitted")),
        ({}, ("/body/width", "Field required")),
    ],
)
async def test_values_are_not_converted_and_unknown_members_are_refused(
    service: str, http: aiohttp.ClientSession, body: object, fault: tuple[str, str]
) -> None:
    assert await send(http, "POST", f"{service}/sizes", json.dumps(body)) == invalid(fault)


async def test_at_most_ten_faults_are_named(service: str, http: aiohttp.ClientSession) -> None:
    body = {"width": 1} | {f"n{number:03}": 1 for number in range(900)}
    named = [(f"/body/n{number:03}", "Extra inputs are not permitted") for number in range(10)]

    assert await send(http, "POST", f"{service}/sizes", json.dumps(body)) == invalid(
        *named, ("/body", "has 890 more faults like these")
    )


async def test_the_name_of_a_faulty_member_is_cut(service: str, http: aiohttp.ClientSession) -> None:
    _, answer = await send(http, "POST", f"{service}/sizes", json.dumps({"width": 1, "n" * 50_000: 1}))

    assert answer["errors"][0]["pointer"] == "/body/" + "n" * 100


async def test_a_body_above_the_limit_is_refused_before_it_is_read(service: str, http: aiohttp.ClientSession) -> None:
    def too_large(limit: int) -> tuple[int, dict[str, object]]:
        detail = f"At most {limit} bytes are accepted here. Send the content in parts."
        return problem(413, "body-too-large", "The request body is too large", detail, limit=limit)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x" * 65536

    assert await send(http, "POST", f"{service}/sizes", b" " * 65537) == too_large(65536)
    assert await send(http, "PUT", f"{service}/bytes", b"x" * (512 * 1024 + 1)) == too_large(512 * 1024)
    assert await send(http, "PUT", f"{service}/bytes", chunks()) == too_large(512 * 1024)
    assert await send(http, "PUT", f"{service}/bytes", b"x" * 512 * 1024) == (200, 512 * 1024)
    assert await send(http, "PUT", f"{service}/bytes", None) == (200, 0)


async def test_numbers_can_be_read_as_decimals(service: str, http: aiohttp.ClientSession) -> None:
    assert await send(http, "PUT", f"{service}/value", b"[0.10, 1]") == (200, "[Decimal('0.10'), 1]")


async def test_a_stream_may_be_larger_than_what_is_reserved_for_it(service: str, http: aiohttp.ClientSession) -> None:
    async def chunks(number: int) -> AsyncIterator[bytes]:
        for _ in range(number):
            yield b"x" * 65536

    async def stream(body: object) -> tuple[int, Any]:
        return await send(http, "PUT", f"{service}/parts", body, Content_Type='Text/CSV; charset="UTF-8"')

    limit = 2 * 1024 * 1024
    assert await stream(chunks(32)) == (200, {"type": "text/csv", "size": limit, "in_parts": True})
    detail = f"At most {limit} bytes are accepted here. Send the content in parts."
    too_large = problem(413, "body-too-large", "The request body is too large", detail, limit=limit)
    assert await stream(chunks(33)) == too_large
    assert await stream(io.BytesIO(b"x" * (limit + 1))) == too_large


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"X": "y"}, "Found no Content-Type. Send one of text/csv, text/plain, in UTF-8."),
        (
            {"Content-Type": "text/csv; charset=latin-1"},
            "Found Content-Type 'text/csv; charset=latin-1'. Send one of text/csv, text/plain, in UTF-8.",
        ),
        (
            {"Content-Type": "text/csv", "Content-Encoding": "gzip"},
            "Found Content-Encoding 'gzip'. Send the body uncompressed.",
        ),
    ],
)
async def test_a_body_has_one_of_the_media_types_that_are_accepted(
    service: str, http: aiohttp.ClientSession, headers: dict[str, str], detail: str
) -> None:
    title = "The body is not of a type that is accepted here"
    answer = await send(http, "PUT", f"{service}/parts", b"x", **headers)
    assert answer == problem(415, "unsupported-media-type", title, detail)
