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
        "com.example.app:",
        "cursor:callback",
        "cursor:/callback#fragment",
        "Cursor:/callback",
        "+cursor:/callback",
        "https://app.example/\u20ac",
        "https://app.example/a b",
        'https://app.example/"onload="',
        "https://app.example/" + "a" * 1000,
    ],
)
def test_others_may_not(uri: str) -> None:
    assert not is_acceptable(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "vscode://vscode.github-authentication/did-authenticate",
        "jetbrains://idea/callback",
        "myapp:/callback",
        "com.example.app:/oauth2redirect/example-provider",
    ],
)
def test_programs_may_have_schemes_of_their_own_with_and_without_a_dot(uri: str) -> None:
    assert is_acceptable(uri)
    assert is_registered(uri, (uri,))
    assert not is_registered(f"{uri}/x", (uri,))


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "javascript://app.example/%0aalert(1)",
        "JavaScript://app.example/%0aalert(1)",
        "javascript:/alert(1)",
        "vbscript:/x",
        "data:text/html,x",
        "data:/text/html,x",
        "file:///etc/passwd",
        "filesystem:https://app.example/temporary/x",
        "blob:https://app.example/x",
        "blob:/x",
        "about:blank",
        "about:/blank",
        "view-source:/x",
        "chrome://settings",
        "chrome-extension://abc/x",
        "resource:/x",
        "http:/app.example/",
        "http://app.example/",
        "https:/app.example/",
        "ws://app.example/",
        "wss://app.example/",
        "ftp://app.example/",
        "smb://app.example/x",
        "ssh://app.example/",
        "ldap://app.example/x",
        "mailto:/x@app.example",
        "tel:/1",
        "sms:/1",
        "intent://scan/#Intent",
        "intent://scan/",
        "urn:ietf:wg:oauth:2.0:oob",
        "ms-msdt:/id",
        "search-ms:/x",
        "itms-services://x",
        "x-apple.systempreferences:/x",
    ],
)
def test_a_scheme_that_means_something_else_is_no_programs_own(uri: str) -> None:
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
