"""What HTTP requires of every endpoint of rows."""

import gzip

import aiohttp
import pytest
from answers import JSON, problem

BODIES = [
    *(("POST", "/v1/product"), ("POST", "/v1/product/bulk"), ("POST", "/v1/product/query")),
    *(("PATCH", "/v1/product/1"), ("PUT", "/v1/product/1")),
]


ROW = b'{"name": "x"}'
NOT_DECLARED_AS_JSON: list[tuple[dict[str, str], bytes]] = [
    ({**JSON, "Content-Encoding": "gzip"}, gzip.compress(ROW)),
    ({**JSON, "Content-Encoding": "br"}, ROW),
    ({"Content-Type": "text/plain"}, ROW),
    ({"Content-Type": "application/x-www-form-urlencoded"}, b"name=x"),
    ({"Content-Type": "application/json; charset=utf-16"}, ROW.decode().encode("utf-16")),
    ({"Content-Type": ""}, ROW),
]
NOT_STRICT_JSON = [
    *(
        b"",
        b"{",
        b'{"name": "x"} {"name": "y"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'\xef\xbb\xbf{"name": "x"}',
    ),
    *(
        b'{"name": "x", "name": "y"}',
        b'{"name": "x", "attributes": {"a": {"b": 1, "b": 2}}}',
        ROW.decode().encode("utf-16"),
    ),
    *(b'{"name": "x", "attributes": {"a": NaN}}', b'{"name": "x", "attributes": {"a": -Infinity}}'),
    b'{"name": "x", "attributes": {"a": %s}}' % (b"9" * 5000),
    b'{"name": "x", "attributes": %s}' % (b'{"a":' * 5000 + b"1" + b"}" * 5000),
]


async def test_a_body_that_is_not_declared_as_plain_json_is_415(client: aiohttp.ClientSession) -> None:
    for headers, body in NOT_DECLARED_AS_JSON:
        for method, path in BODIES:
            response = await client.request(method, path, headers=headers, data=body)
            found = (response.status, (await problem(response))["type"])
            assert found == (415, "urn:nexus:problem:unsupported-media-type"), (method, path, headers)


async def test_a_body_that_is_not_strict_json_is_422(client: aiohttp.ClientSession) -> None:
    for body in NOT_STRICT_JSON:
        for method, path in BODIES:
            response = await client.request(method, path, headers=JSON, data=body)
            found = (response.status, (await problem(response))["type"])
            assert found == (422, "urn:nexus:problem:invalid-json"), (method, path, body[:80])


async def test_a_path_with_a_trailing_slash_is_not_redirected(client: aiohttp.ClientSession) -> None:
    for path in ("/v1/product/", "/v1/models/", "/v1/product/1/"):
        response = await client.get(path, headers={"Host": "evil.example"}, allow_redirects=False)
        assert (response.status, response.headers.get("Location")) == (404, None)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/v1/models", "/v1/product", "/v1/product/1"])
async def test_head_is_answered_like_get_without_a_body(client: aiohttp.ClientSession, path: str) -> None:
    await client.post("/v1/product", json={"name": "x"})
    get, head = await client.get(path), await client.head(path)
    assert (head.status, head.content_type, await head.read()) == (get.status, get.content_type, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/product", "GET, HEAD, POST"),
        ("POST", "/v1/product/1", "DELETE, GET, HEAD, PATCH, PUT"),
        ("DELETE", "/v1/models", "GET, HEAD, POST"),
    ],
)
async def test_a_method_that_is_not_allowed_is_answered_with_all_that_are(
    client: aiohttp.ClientSession, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path, json={})
    assert (response.status, response.headers["Allow"]) == (405, allowed)
    detail = f"{method} is not allowed here. Use {allowed}."
    assert (await problem(response))["detail"] == detail
