"""Redirect URIs: which may be registered, and which of a request are registered."""

import re

# The characters of RFC 3986, without the `#` of a fragment: no blanks, backslashes or other scripts, which browsers
# and servers read differently.
_URI = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]{1,1000}")
_LOOPBACK = re.compile(
    r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>[/?].*|)"
)
_WEB = re.compile(
    r"(?P<origin>https://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?)(?:[/?].*)?"
)
# RFC 8252 section 7.1. Its section 8.4 would have schemes without a dot refused, because another program can take them more
# easily. Well-known agents have such ones, `cursor` and `vscode`; what protects codes is PKCE, which is always demanded.
_PRIVATE = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*):/.+")
_NOT_PRIVATE = frozenset(
    {
        # run, show or read something in the browser
        *("about", "blob", "cid", "content", "data", "feed", "file", "filesystem", "jar", "javascript", "livescript"),
        *("mhtml", "mid", "mocha", "resource", "vbscript", "view-source", "wyciwyg"),
        *(
            "chrome",
            "chrome-extension",
            "edge",
            "moz-extension",
            "ms-browser-extension",
            "opera",
            "safari-web-extension",
        ),
        # servers elsewhere
        *("dav", "ftp", "ftps", "git", "gopher", "http", "https", "irc", "ircs", "ldap", "ldaps", "nfs", "rtsp"),
        *("sftp", "smb", "ssh", "svn", "telnet", "ws", "wss"),
        # programs that pass on what they are given, or run it
        *(
            "callto",
            "facetime",
            "im",
            "intent",
            "itms-services",
            "mailto",
            "market",
            "search-ms",
            "shell",
            "sip",
            "sips",
        ),
        *("sms", "smsto", "tel", "urn", "xmpp"),
    }
)
_OF_SYSTEMS = ("ms-", "x-apple")
_MAX_PORT = 65535

ACCEPTABLE = (
    "Use an https address, an http address of 127.0.0.1, [::1] or localhost, or a scheme of the application's own, such as "
    "com.example.app:/callback; at most 1,000 characters, without a fragment."
)
"""What a client may register, for messages."""


def is_acceptable(uri: str) -> bool:
    """Whether a client may register the URI."""
    return is_web(uri) or is_loopback(uri) or _is_private(uri)


def is_web(uri: str) -> bool:
    """Whether the URI is an https address; only the client's own server receives what is sent there."""
    return _is_uri(uri) and _WEB.fullmatch(uri) is not None


def is_loopback(uri: str) -> bool:
    """Whether the URI leads to a program on the user's own computer (RFC 8252 section 7.3)."""
    return _loopback(uri) is not None


def _is_private(uri: str) -> bool:
    """Whether the URI leads to the application that has its scheme, and the scheme is none that means something else."""
    found = _PRIVATE.fullmatch(uri) if _is_uri(uri) else None
    return found is not None and found["scheme"] not in _NOT_PRIVATE and not found["scheme"].startswith(_OF_SYSTEMS)


def is_registered(uri: str, registered: tuple[str, ...]) -> bool:
    """Whether the URI is one of those registered: the same text, on a loopback host with any port."""
    return uri in registered or any(_differ_in_port_alone(uri, other) for other in registered)


def form_action(uri: str) -> str:
    """The source that lets a form lead to a registered URI (Content Security Policy Level 3)."""
    if web := _WEB.fullmatch(uri):
        return web["origin"]
    if (loopback := _loopback(uri)) is None:
        return uri.partition(":")[0] + ":"
    if loopback["host"] == "[::1]":
        return "http:"  # a policy cannot name an IPv6 address
    return f"http://{loopback['host']}" + (f":{loopback['port']}" if loopback["port"] else "")


def _differ_in_port_alone(uri: str, registered: str) -> bool:
    one, other = _loopback(uri), _loopback(registered)
    return one is not None and other is not None and one.group("host", "rest") == other.group("host", "rest")


def _loopback(uri: str) -> re.Match[str] | None:
    found = _LOOPBACK.fullmatch(uri) if _is_uri(uri) else None
    return found if found is not None and int(found["port"] or 0) <= _MAX_PORT else None


def _is_uri(uri: str) -> bool:
    return _URI.fullmatch(uri) is not None
