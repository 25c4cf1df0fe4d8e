import pytest
from starlette.requests import Request

from nexus_gateway.pages.redirects import local_path, login_redirect


@pytest.mark.parametrize(
    "path",
    [
        "/account/sessions",
        "/oauth/authorize?response_type=code&client_id=x&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcb&state=%C3%A9",
        "/pages/models/product?page=2#row",
        "/%2f%2fevil.example",
    ],
)
def test_a_path_of_the_gateway_is_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evil.example",
        "account",
        "?next=/",
        "#",
        "http://evil.example",
        "https://evil.example/login",
        "HTTPS://evil.example",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "/\\/evil.example",
        "/account\\..\\evil",
        "/\t/evil.example",
        "\t//evil.example",
        "/\n/evil.example",
        "/\r\nSet-Cookie: a=b",
        "/\x00/evil.example",
        " //evil.example",
        "/ /evil.example",
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "http:evil.example",
        "http:/evil.example",
        "//evil.example@nexus.example.com",
        "/\u2215/evil.example",
        "\uff0f\uff0fevil.example",
        "/\u202e/evil",
        "/é",
        "/\ud800",
        "/" + "a" * 2048,
        "/login",
        "/login?next=/login",
    ],
)
def test_anything_else_leads_to_the_start_page(text: str) -> None:
    assert local_path(text) == "/"


@pytest.mark.parametrize(
    ("method", "path", "query", "location"),
    [
        ("GET", b"/account/sessions", b"", "/login?next=%2Faccount%2Fsessions"),
        ("GET", b"/pages/a%20b", b"x=1&y=%26", "/login?next=%2Fpages%2Fa%2520b%3Fx%3D1%26y%3D%2526"),
        ("HEAD", b"/account/password", b"", "/login?next=%2Faccount%2Fpassword"),
        ("POST", b"/account/password", b"", "/login"),
        ("GET", b"//evil.example", b"", "/login"),
        ("GET", b"/\\evil.example", b"", "/login"),
        ("GET", b"/", b"", "/login"),
    ],
)
def test_a_stranger_is_sent_to_the_login_page_and_back(method: str, path: bytes, query: bytes, location: str) -> None:
    scope = {"type": "http", "method": method, "path": "/", "raw_path": path, "query_string": query, "headers": []}
    response = login_redirect(Request(scope))

    assert (response.status_code, response.headers["location"]) == (303, location)
