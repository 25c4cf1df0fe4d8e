import pytest
from starlette.requests import Request

from nexus_gateway.auth.errors import ForeignRequestError, UnknownHostError
from nexus_gateway.auth.public_address import PublicAddress


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw})


ADDRESS = PublicAddress("https://nexus.example.com", ["intern.example:8443"])


@pytest.mark.parametrize(
    ("issuer", "cookie", "secure"),
    [
        ("https://nexus.example.com", "__Host-nexus", True),
        ("http://localhost:8000", "__Host-nexus", True),
        ("http://nexus.example.com", "nexus", False),
        ("http://localhost.example.com", "nexus", False),
    ],
)
def test_the_cookie_has_the_host_prefix_where_browsers_accept_it(issuer: str, cookie: str, *, secure: bool) -> None:
    address = PublicAddress(issuer)

    assert (address.cookie, address.is_secure) == (cookie, secure)


@pytest.mark.parametrize("host", ["nexus.example.com", "NEXUS.example.com", "intern.example:8443"])
def test_the_host_of_the_issuer_and_those_allowed_are_known(host: str) -> None:
    ADDRESS.require_known_host(request(host=host))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "nexus.example.com.evil.example",
        "nexus.example.com:8000",
        "evil.example#nexus.example.com",
        "nexus.example.com@evil.example",
        "nexus.example.com.",
        "intern.example",
    ],
)
def test_other_hosts_are_unknown(host: str) -> None:
    with pytest.raises(UnknownHostError) as raised:
        ADDRESS.require_known_host(request(host=host))

    assert (raised.value.host, raised.value.address) == (host, "https://nexus.example.com")


@pytest.mark.parametrize(
    ("issuer", "host"), [("https://nexus.example.com:443", "nexus.example.com"), ("http://a.example:80", "a.example")]
)
def test_the_default_port_may_be_left_out(issuer: str, host: str) -> None:
    PublicAddress(issuer).require_known_host(request(host=host))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://nexus.example.com"},
        {"origin": "https://intern.example:8443", "sec_fetch_site": "same-origin"},
    ],
)
def test_a_request_of_the_own_origin_passes(headers: dict[str, str]) -> None:
    ADDRESS.require_same_origin(request(**headers))
    ADDRESS.require_own_script(request(x_nexus_csrf="1", **headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://nexus.example.com"},
        {"origin": "https://nexus.example.com.evil.example"},
        {"origin": "https://nexus.example.com", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
    ],
)
def test_a_request_of_another_origin_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForeignRequestError):
        ADDRESS.require_same_origin(request(**headers))
    with pytest.raises(ForeignRequestError):
        ADDRESS.require_own_script(request(x_nexus_csrf="1", **headers))


@pytest.mark.parametrize("value", ["", "0", "1,1", "true"])
def test_a_write_without_the_header_of_own_scripts_is_refused(value: str) -> None:
    with pytest.raises(ForeignRequestError, match="X-Nexus-CSRF"):
        ADDRESS.require_own_script(request(x_nexus_csrf=value, origin="https://nexus.example.com"))
