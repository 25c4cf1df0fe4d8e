"""What `nexusctl audit` says of what services know, and of services that don't answer: none of it looks like a clean result."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.clone import Outcome, nexusctl
from harness.image_factory import OS_RELEASE, bill, distribution, image, package
from harness.services import Reply, Service, Services, services

from nexusctl.audit import advisories, tracker
from nexusctl.audit.answer import Answer, Silence, Subject
from nexusctl.audit.answer import Service as Known
from nexusctl.workspace import ROOT

PYPI, TRACKER = "pypi.org", "security-tracker.debian.org"
FIRST, SECOND = "nexus-test/first", "nexus-test/second"
GZIP = Subject("gzip", "1.13-1", (FIRST,), "trixie")
ALPHA = Subject("alpha", "1.0", (FIRST,))


def release(**state: object) -> dict[str, object]:
    return {"description": "What it is.", "scope": "remote", "releases": {"trixie": state, "sid": {"status": "open"}}}


# As the tracker writes it; each issue is one case.
KNOWN = {
    "gzip": {
        "CVE-2025-0001": release(status="open", urgency="not yet assigned", repositories={"trixie": "1.13-1"}),
        "CVE-2025-0002": release(status="open", urgency="low", nodsa="Minor issue", nodsa_reason="postponed"),
        "CVE-2025-0003": release(status="open", urgency="unimportant"),
        "CVE-2025-0004": release(status="undetermined", urgency="not yet assigned"),
        "CVE-2025-0005": {"releases": {"bookworm": {"status": "open", "urgency": "high"}}},
    },
    "shared": {
        "CVE-2025-0011": release(status="resolved", urgency="high", fixed_version="1:2.0-3+deb13u1"),
        "CVE-2025-0012": release(status="resolved", urgency="high", fixed_version="1:2.0-3"),
        "CVE-2025-0013": release(status="resolved", urgency="high", fixed_version="1:2.0~rc1-1"),
        "CVE-2025-0014": release(status="resolved", urgency="high", fixed_version="3.0-1"),
        "CVE-2025-0015": release(status="resolved", urgency="high", fixed_version="0"),
        "CVE-2025-0016": release(status="resolved", urgency="high", fixed_version="<unfixed>"),
    },
    "elsewhere": {"CVE-2025-0021": release(status="open", urgency="high")},
}
UNRELATED = {"elsewhere": KNOWN["elsewhere"]}


# By "name/version", as PyPI writes it.
ADVISORIES: dict[str, list[dict[str, object]]] = {
    "alpha/1.0": [
        {"id": "PYSEC-2025-1", "aliases": ["GHSA-1", "CVE-2025-0031"], "fixed_in": ["1.2", "1.1"], "details": "Text."},
        {"id": "GHSA-2", "aliases": [], "fixed_in": [], "details": "Text."},
        {"id": "GHSA-3", "aliases": [], "fixed_in": [], "details": "Text.", "withdrawn": "2025-01-01T00:00:00Z"},
    ],
    "alpha/1.1": [{"id": "GHSA-2", "aliases": [], "fixed_in": [], "details": "Text."}],
    "beta/2.0": [],
}
NONE: dict[str, list[dict[str, object]]] = {key: [] for key in ADVISORIES}
READ = f"… {FIRST}\n✓ {FIRST} TIME\n… {SECOND}\n✓ {SECOND} TIME\n"


def answering(document: object) -> Service:
    return lambda _: Reply(json.dumps(document).encode())


def index(known: dict[str, list[dict[str, object]]]) -> Service:
    def answer(path: str) -> Reply:
        vulnerabilities = known.get(path.removeprefix("/pypi/").removesuffix("/json"))
        return (
            Reply(b"", 404)
            if vulnerabilities is None
            else Reply(json.dumps({"vulnerabilities": vulnerabilities}).encode())
        )

    return answer


@pytest.fixture(scope="module", autouse=True)
def two_images() -> Iterator[None]:
    gzip = package("gzip", "1.13-1")
    first = {
        **gzip,
        **package("libshared1", "1:2.0-3+b1", "shared (1:2.0-3)"),
        **distribution("Alpha", "1.0"),
        **distribution("beta", "2.0"),
        **distribution("nexus-chassis", "0.3.0+c0123abc"),
        **bill(("alpha", "1.0"), ("beta", "2.0"), ("nexus-chassis", "0.3.0+c0123abc")),
    }
    second = {**gzip, **distribution("alpha", "1.1"), **bill(("alpha", "1.1"))}
    system = {"usr/lib/os-release": OS_RELEASE}
    with image(FIRST, system | first), image(SECOND, system | second):
        yield


def audit(world: Services) -> Outcome:
    outcome = nexusctl(ROOT, "audit", FIRST, SECOND, env=world.env | {"COLUMNS": "130"})
    return outcome._replace(out=re.sub(r" +$", "", re.sub(r"\d+\.\d s", "TIME", outcome.out), flags=re.MULTILINE))


def test_nothing_known(tmp_path: Path) -> None:
    with services(tmp_path, {PYPI: index(NONE), TRACKER: answering(UNRELATED)}) as world:
        outcome = audit(world)
    assert outcome == Outcome(
        0,
        f"{READ}"
        "… 3 Python distributions: asking PyPI's advisories\n"
        "✓ 3 Python distributions: PyPI's advisories: nothing known\n"
        "… 2 Debian source packages: asking Debian's security tracker\n"
        "✓ 2 Debian source packages: Debian's security tracker: nothing known\n",
        "",
    )
    assert sorted(world.asked) == [
        f"{PYPI}/pypi/alpha/1.0/json",
        f"{PYPI}/pypi/alpha/1.1/json",
        f"{PYPI}/pypi/beta/2.0/json",
        f"{TRACKER}/tracker/data/json",
    ]


EXPECTED = f"""\
{READ}… 3 Python distributions: asking PyPI's advisories
✗ 3 Python distributions: PyPI's advisories: 3 known vulnerabilities
PyPI's advisories
┏━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ package ┃ version ┃ vulnerability ┃       fixed in ┃     rating ┃            images ┃
┡━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ alpha   │     1.0 │ CVE-2025-0031 │       1.1, 1.2 │ none given │  nexus-test/first │
│ alpha   │     1.0 │        GHSA-2 │ no version yet │ none given │  nexus-test/first │
│ alpha   │     1.1 │        GHSA-2 │ no version yet │ none given │ nexus-test/second │
└─────────┴─────────┴───────────────┴────────────────┴────────────┴───────────────────┘
  to do: {advisories.SERVICE.remedy}
… 2 Debian source packages: asking Debian's security tracker
✗ 2 Debian source packages: Debian's security tracker: 5 known vulnerabilities
Debian's security tracker
┏━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━┓
┃ package ┃ version ┃ vulnerability ┃        fixed in ┃           rating ┃           images ┃
┡━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━┩
│ gzip    │  1.13-1 │ CVE-2025-0001 │  no version yet │ not yet assigned │              all │
│ gzip    │  1.13-1 │ CVE-2025-0002 │  no version yet │ low; Minor issue │              all │
│ gzip    │  1.13-1 │ CVE-2025-0004 │  no version yet │ not yet assigned │              all │
│ shared  │ 1:2.0-3 │ CVE-2025-0011 │ 1:2.0-3+deb13u1 │             high │ nexus-test/first │
│ shared  │ 1:2.0-3 │ CVE-2025-0016 │       <unfixed> │             high │ nexus-test/first │
└─────────┴─────────┴───────────────┴─────────────────┴──────────────────┴──────────────────┘
  to do: {tracker.SERVICE.remedy}
"""


def test_vulnerabilities_known(tmp_path: Path) -> None:
    with services(tmp_path, {PYPI: index(ADVISORIES), TRACKER: answering(KNOWN)}) as world:
        outcome = audit(world)
    assert outcome == Outcome(1, EXPECTED, "")


def test_what_one_service_knows_counts_where_the_other_is_silent(tmp_path: Path) -> None:
    with services(tmp_path, {PYPI: index(ADVISORIES)}) as world:
        outcome = audit(world)
    heard, silence = EXPECTED.partition("✗ 2 Debian")[0], "ProxyError: 502 unknown host"
    assert outcome == Outcome(1, heard + not_reachable(tracker.SERVICE, "2 of 2 Debian source packages", silence), "")


def test_distributions_that_pypi_does_not_know(tmp_path: Path) -> None:
    with services(tmp_path, {PYPI: index({"alpha/1.0": [], "alpha/1.1": []}), TRACKER: answering(UNRELATED)}) as world:
        outcome = audit(world)
    found = "Dependency not found on PyPI and could not be audited"
    assert outcome == Outcome(
        3,
        f"{READ}… 3 Python distributions: asking PyPI's advisories\n"
        + not_reachable(advisories.SERVICE, "1 of 3 Python distributions", found, "beta 2.0")
        + "… 2 Debian source packages: asking Debian's security tracker\n"
        "✓ 2 Debian source packages: Debian's security tracker: nothing known\n",
        "",
    )


def test_no_network(tmp_path: Path) -> None:
    with services(tmp_path, {}) as world:
        outcome = audit(world)
    *_, pypi, _, _, tried, found, meaning = outcome.out.splitlines()
    assert outcome.status == 3
    assert pypi == "    so nothing is known, neither good nor bad, of any of them"
    assert [tried, found, meaning] == [
        f"    tried: {tracker.SERVICE.address}",
        "    found: ProxyError: 502 unknown host",
        "    so nothing is known, neither good nor bad, of any of them",
    ]
    assert outcome.out.count("✗ not reachable: ") == 2


def not_reachable(service: Known, which: str, found: str, of: str = "any of them") -> str:
    return (
        f"✗ not reachable: {service.name}, for {which}\n"
        f"    tried: {service.address}\n"
        f"    found: {found}\n"
        f"    so nothing is known, neither good nor bad, of {of}\n"
    )


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (
            Reply(b"sorry", 500),
            f"HTTPStatusError: Server error '500 Internal Server Error' for url '{tracker.SERVICE.address}'",
        ),
        (Reply(b"", 403), f"HTTPStatusError: Client error '403 Forbidden' for url '{tracker.SERVICE.address}'"),
        (Reply(b'{"gzip": {', promised=100), "RemoteProtocolError: peer closed connection without sending complete"),
        (Reply(b'{"gzip": {', silence=60), "not the tracker's data: : Invalid JSON: EOF while parsing"),
        (Reply(b'{"gzip": {', promised=100, silence=60), "ReadTimeout: "),
        (Reply(b""), "not the tracker's data: : Invalid JSON: EOF while parsing"),
        (Reply(b"<html>"), "not the tracker's data: : Invalid JSON: expected value"),
        (Reply(b"[]"), "not the tracker's data: : Input should be an object"),
        (Reply(b'{"gzip": []}'), "not the tracker's data: gzip: Input should be an object"),
        (Reply(b'{"gzip": {"CVE-1": {}}}'), "not the tracker's data: gzip.CVE-1.releases: Field required"),
        (
            Reply(b'{"gzip": {"CVE-1": {"releases": {"trixie": {"status": 1}}}}}'),
            "not the tracker's data: gzip.CVE-1.releases.trixie.status: Input should be a valid string",
        ),
        (Reply(b"{}"), "data that has nothing on trixie"),
        (Reply(b'{"gzip": {"CVE-1": {"releases": {"sid": {"status": "open"}}}}}'), "data that has nothing on trixie"),
    ],
)
def test_tracker_that_does_not_answer_as_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply, found: str
) -> None:
    monkeypatch.setattr(tracker, "_SECONDS_WITHOUT_A_BYTE", 1)
    with services(tmp_path, {TRACKER: lambda _: reply}) as world:
        answer = ask(tracker.SERVICE, world, monkeypatch)
    assert answer.silence is not None
    assert answer == Answer(silence=Silence((GZIP,), answer.silence.found))
    assert answer.silence.found.startswith(found)


def test_tracker_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "_SECONDS", 0)
    with services(tmp_path, {TRACKER: answering(KNOWN)}) as world:
        answer = ask(tracker.SERVICE, world, monkeypatch)
    size = len(json.dumps(KNOWN))
    assert answer == Answer(silence=Silence((GZIP,), f"ReadTimeout: {size} bytes in 0 s, and no end"))


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(b"sorry", 500), "500 Server Error: Internal Server Error for url: https://pypi.org/pypi/alpha/1.0/json"),
        (Reply(b"{", promised=100), "IncompleteRead(1 bytes read, 99 more expected)"),
        (Reply(b"<html>"), "Expecting value: line 1 column 1 (char 0)"),
        (Reply(b"[]"), "AttributeError: 'list' object has no attribute 'get'"),
        (Reply(b'{"vulnerabilities": [{"id": "CVE-1"}]}'), "KeyError: 'fixed_in'"),
        (Reply(b"{", promised=100, silence=60), "no answer within 5 s"),
    ],
)
def test_pypi_that_does_not_answer_as_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply, found: str
) -> None:
    monkeypatch.setattr(advisories, "_SECONDS", 5)
    with services(tmp_path, {PYPI: lambda _: reply}) as world:
        answer = ask(advisories.SERVICE, world, monkeypatch)
    assert answer.silence is not None
    assert answer == Answer(silence=Silence((ALPHA,), answer.silence.found))
    assert found in answer.silence.found


def ask(service: Known, world: Services, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Ask a service alone, about one subject."""
    for name, value in world.env.items():
        monkeypatch.setenv(name, value)
    return service.ask([ALPHA if service is advisories.SERVICE else GZIP])
