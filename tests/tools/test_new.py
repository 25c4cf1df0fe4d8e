"""What `nexusctl new` refuses: the message is complete, and no file is changed."""

import re
from hashlib import sha256
from pathlib import Path

import pytest
from harness.clone import Outcome, edit, nexusctl, share_all_but_wheelhouse

from nexusctl.scaffold.service import GATEWAY_NAMES
from nexusctl.workspace import APPS, load

FORM = "it is not lower-case words of letters and digits joined by dashes, at most 30 characters"
TAKEN = "project.toml has a service, a flavour or a worker of that name"
NO_INDEX = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_NO_CACHE": "1", "UV_HTTP_RETRIES": "0"}
REMEDY = "choose another name: words joined by dashes, such as price-list"


def contents(tree: Path) -> dict[str, str]:
    """Return a hash of every file but those of the tree's state."""
    paths = (path for path in tree.rglob("*") if path.is_file() and ".nexus" not in path.parts)
    return {str(path.relative_to(tree)): sha256(path.read_bytes()).hexdigest() for path in paths}


def refused(tree: Path, *arguments: str) -> str:
    """Return the message of a command that has changed nothing."""
    before = contents(tree)
    outcome = nexusctl(tree, "new", *arguments)
    assert (outcome.status, outcome.out) == (1, "")
    assert contents(tree) == before
    return outcome.err


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Pricing", FORM),
        ("price_list", FORM),
        ("price--list", FORM),
        ("1st", FORM),
        ("../pricing", FORM),
        ("", FORM),
        ("a" * 31, FORM),
        ("dataflow-service", TAKEN),
        ("redis", TAKEN),
        ("classification-trainer", TAKEN),
        ("sessions", "the gateway has a path, a service or a scope of that name"),
        ("chassis", "`make unit` has a suite of that name"),
        ("import", "its Python package would be called import, which is a keyword of Python"),
        ("json", "its Python package would be called json, like one that services import"),
        ("nexus-chassis", "its Python package would be called nexus_chassis, like one that services import"),
        ("pydantic", "its Python package would be called pydantic, like one that services import"),
    ],
)
def test_name_that_cannot_be(tree: Path, name: str, found: str) -> None:
    assert refused(tree, name) == (
        f"nexusctl: no service can be called '{name}'\n  found: {found}\n  to do: {REMEDY}\n"
    )


@pytest.mark.parametrize("place", ["apps/pricing", "docker/Dockerfile.pricing"])
def test_place_that_is_taken(tree: Path, place: str) -> None:
    (tree / place).mkdir()
    assert refused(tree, "pricing") == (
        f"nexusctl: no service can be called 'pricing'\n  found: {place} is there already\n  to do: {REMEDY}\n"
    )


@pytest.mark.parametrize(
    ("port", "found"),
    [
        (80, "a service may listen on 1024 to 65535"),
        (65536, "a service may listen on 1024 to 65535"),
        (3000, "mcp-server listens there"),
        (9090, "the listener for metrics of every service listens there"),
    ],
)
def test_port_that_cannot_be(tree: Path, port: int, found: str) -> None:
    assert refused(tree, "pricing", "--port", str(port)) == (
        f"nexusctl: the service cannot listen on port {port}\n"
        f"  found: {found}\n"
        "  to do: choose another, such as 8003; or leave --port out\n"
    )


def test_compose_file_without_a_place_for_it(tree: Path) -> None:
    edit(tree / "docker-compose.production.yml", '      NEXUS_ROUTES: ""\n', "")
    assert refused(tree, "pricing") == (
        "nexusctl: docker-compose.production.yml has no place for another service\n"
        '  found: no line `NEXUS_ROUTES: "..."` among the settings of nexus-gateway\n'
        "  to do: put it back as it was (`git diff` shows what has changed), then run the same command again\n"
    )


@pytest.mark.usefixtures("bases")
def test_package_index_that_is_not_reached(tree: Path) -> None:
    share_all_but_wheelhouse(tree)
    before = contents(tree)
    outcome = nexusctl(tree, "new", "pricing", env=NO_INDEX)
    assert outcome.status == 1
    assert outcome.err.startswith("nexusctl: `uv` failed with exit status 2\n")
    assert contents(tree) == before
    assert not (tree / ".nexus" / "new").exists()


@pytest.mark.usefixtures("bases")
def test_documents_that_were_rewritten_are_named(tree: Path) -> None:
    share_all_but_wheelhouse(tree)
    (tree / "README.md").write_text("# Ours\n")
    (tree / "docs" / "concepts" / "build-pipeline.md").unlink()
    outcome = nexusctl(tree, "new", "pricing", "--port", "8123")
    assert outcome == Outcome(
        0,
        "… lock pricing\n"
        f"{outcome.out.splitlines()[1]}\n"
        "pricing listens on port 8123. Made and changed:\n"
        "  apps/pricing\n"
        "  docker/Dockerfile.pricing\n"
        "  docker-compose.production.yml\n"
        "  docs/concepts/architecture.md\n"
        "  docs/guides/run-in-production.md\n"
        "  project.toml\n"
        "  pyproject.toml\n"
        "These documents have another form than expected; add to them by hand:\n"
        "  README.md: gateway --> app_pricing[pricing :8123]\n"
        "  README.md: [pricing](apps/pricing/README.md)\n"
        "  docs/concepts/build-pipeline.md: pack build pricing --path apps/pricing\n"
        "  docs/concepts/build-pipeline.md: | `pricing` | 95 | 110 |\n"
        "Next: `make unit SERVICES=pricing`, then `make up`; it is reached at /v1/pricing of the gateway.\n"
        "See also docs/guides/add-a-service.md.\n",
        "",
    )
    assert (tree / "README.md").read_text() == "# Ours\n"


def test_names_of_the_gateway_are_those_that_it_refuses() -> None:
    """Read as text: the images' Python knows syntax that this machine's may not."""
    settings = (APPS / load().apps[0].name / "nexus_gateway" / "settings.py").read_text()
    _, _, rest = settings.partition("OWN_NAMES = frozenset(")
    assert set(re.findall(r'"([a-z-]+)"', rest.partition('"""')[0])) == GATEWAY_NAMES
