import pytest
from redirect_attacks import ATTACKS

from nexus_gateway.oauth.redirect_uris import form_action, is_acceptable, is_registered, is_web

WEB = "https://app.example/callback"
LOOPBACK = "http://127.0.0.1/callback"
LOCALHOST = "http://localhost:3030/callback"
REGISTERED = (WEB, LOOPBACK, LOCALHOST, "http://[::1]/callback", "com.example.app:/callback")


@pytest.mark.parametrize(
    "uri",
    [
        *REGISTERED,
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/callback",
        "http://localhost/callback",
        "http://[::1]:51004/callback",
    ],
)
def test_a_registered_one_counts_on_the_own_computer_with_any_port(uri: str) -> None:
    assert is_registered(uri, REGISTERED)


@pytest.mark.parametrize("uri", ATTACKS)
def test_no_other_counts(uri: str) -> None:
    assert not is_registered(uri, REGISTERED)


@pytest.mark.parametrize(
    "uri", [*REGISTERED, "https://app.example", "https://app.example:8443/a?b=c", "http://localhost"]
)
def test_these_may_be_registered(uri: str) -> None:
    assert is_acceptable(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://",
        "https:///callback",
        "https://user@app.example/",
        "https://app.example/#fragment",
        "https://app.example:0/",
        "https://*.example/",
        "https://app..example/",
        "http://app.example/",
        "http://10.0.0.1/",
        "http://127.0.0.1:65536/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "myapp:/callback",
        "com.example.app:",
        "https://app.example/\u20ac",
        "https://app.example/a b",
        'https://app.example/"onload="',
        "https://app.example/" + "a" * 1000,
    ],
)
def test_others_may_not(uri: str) -> None:
    assert not is_acceptable(uri)


def test_only_addresses_of_servers_show_who_the_client_is() -> None:
    assert [uri for uri in REGISTERED if is_web(uri)] == [WEB]


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        (WEB, "https://app.example"),
        ("https://app.example:8443/callback?a=b", "https://app.example:8443"),
        ("http://127.0.0.1:51004/callback", "http://127.0.0.1:51004"),
        ("http://localhost/callback", "http://localhost"),
        ("http://[::1]:51004/callback", "http:"),
        ("com.example.app:/callback", "com.example.app:"),
    ],
)
def test_the_consent_form_may_lead_there_alone(uri: str, source: str) -> None:
    assert form_action(uri) == source
