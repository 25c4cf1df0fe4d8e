"""Debian's security tracker: which source packages of a release have open vulnerabilities.

https://security-team.debian.org/security_tracker.html; the fields of its data are those of bin/tracker_service.py in
https://salsa.debian.org/security-tracker-team/security-tracker.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx
from debian.debian_support import Version
from pydantic import TypeAdapter, ValidationError

from nexusctl.audit.answer import Answer, Finding, Service, Silence, Subject

# The document has some 70 MB.
_SECONDS = 300
_SECONDS_WITHOUT_A_BYTE = 30
# Debian's rating of what is not a security issue in the packages as built.
_NO_ISSUE = "unimportant"


@dataclass(frozen=True)
class _State:
    status: str
    urgency: str = "not yet assigned"
    fixed_version: str = ""
    nodsa: str = ""


@dataclass(frozen=True)
class _Issue:
    releases: dict[str, _State]


_Data = dict[str, dict[str, _Issue]]
_READER = TypeAdapter(_Data)


def ask(packages: Sequence[Subject]) -> Answer:
    """Return the open vulnerabilities of these source packages, except those that Debian rates unimportant."""
    try:
        data = _READER.validate_json(_fetch())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return _silence(packages, f"not the tracker's data: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # the last three: a proxy, certificates
        return _silence(packages, f"{type(error).__name__}: {error}")
    known = {release for issues in data.values() for issue in issues.values() for release in issue.releases}
    if unknown := {package.release for package in packages} - known:
        return _silence(packages, f"data that has nothing on {', '.join(sorted(unknown))}")
    return Answer(tuple(finding for package in packages for finding in _findings(package, data)))


def _fetch() -> bytes:
    deadline = time.monotonic() + _SECONDS
    content = bytearray()
    with httpx.stream("GET", SERVICE.address, timeout=_SECONDS_WITHOUT_A_BYTE, follow_redirects=True) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            content += chunk
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout(f"{len(content)} bytes in {_SECONDS} s, and no end")
    return bytes(content)


def _findings(package: Subject, data: _Data) -> Iterator[Finding]:
    for identifier, issue in sorted(data.get(package.name, {}).items()):
        state = issue.releases.get(package.release)
        if state and state.urgency != _NO_ISSUE and _is_affected(package.version, state):
            rating = f"{state.urgency}; {state.nodsa}" if state.nodsa else state.urgency
            yield Finding(package, identifier, state.fixed_version, rating)


def _is_affected(version: str, state: _State) -> bool:
    # What is "undetermined", or fixed in no version that can be compared, is treated as open.
    try:
        return state.status != "resolved" or Version(version) < Version(state.fixed_version)
    except ValueError:
        return True


def _silence(packages: Sequence[Subject], found: str) -> Answer:
    return Answer(silence=Silence(tuple(packages), found))


SERVICE = Service(
    name="Debian's security tracker",
    address="https://security-tracker.debian.org/tracker/data/json",
    remedy="`make rebase` brings fixed versions into what pack has built; for other images remove .nexus/base, then build again",
    ask=ask,
)
