"""Settings, secrets and limits: the documents agree with the compose file and project.toml."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from documents import BUILDING, DOCUMENTS, PRODUCTION, plain, spans, table

from nexusctl.workspace import COMPOSE_FILE, ROOT, load

COMPOSE = COMPOSE_FILE.read_text()
SOURCES = ("*.py", "*.c", "*.sh", "nexus", "make-roots", "*.yml", "Makefile", "entrypoint")
OPTIONAL_ENTRIES = {"replicas"}


def compose_service(service: str) -> str:
    """Return a service's part of the compose file."""
    match = re.search(rf"^  {service}:\n((?:    .*\n|\n)+)", COMPOSE, re.MULTILINE)
    assert match
    return match[1]


def mounted_secrets(service: str) -> set[str]:
    """Return the secrets that a service of the compose file has, as a list in one line or in several."""
    match = re.search(r"^    secrets: *(\[.*\]\n|\n(?:      - \w+\n)+)", compose_service(service), re.MULTILINE)
    return set(re.findall(r"\w+", match[1])) if match else set()


def test_variables_of_the_compose_file() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", COMPOSE))
    documented = table(PRODUCTION, "Settings", "name")
    defaults = [plain(cell) for cell in documented.column("default")]
    names = [plain(cell) for cell in documented.column("name")]
    assert dict(zip(names, defaults, strict=True)) == {key: value or "none" for key, value in used.items()}


def readers() -> dict[str, set[str]]:
    """Return who reads each secret, as documented."""
    documented = table(PRODUCTION, "Secrets", "file")
    rows = zip(documented.column("file"), documented.column("who reads it"), strict=True)
    return {plain(file): set(services.split(", ")) - {"none"} for file, services in rows}


def test_secrets_and_who_reads_them() -> None:
    mounted = {service.name: mounted_secrets(service.name) for service in load().services}
    assert readers() == {
        secret: {service for service, secrets in mounted.items() if secret in secrets} for secret in load().secrets
    }


def test_each_secret_can_be_rotated() -> None:
    documented = [
        name for cell in table(PRODUCTION, "Rotate a secret", "secret").column("secret") for name in spans(cell)
    ]
    derived = [name for name, kind in load().secrets.items() if kind == "redis-acl"]
    assert sorted(documented + derived) == sorted(load().secrets)


def test_rotation_restarts_whoever_reads_the_secret() -> None:
    rotation = table(PRODUCTION, "Rotate a secret", "secret")
    assert rotation.rows
    for cell, command in zip(rotation.column("secret"), rotation.column("command"), strict=True):
        restarted = {word for part in spans(command) for word in part.split()[3:]}
        needed = {service for secret in spans(cell) for service in readers()[secret]}
        assert restarted - {"redis"} == needed, cell


def test_limits() -> None:
    documented = table(PRODUCTION, "Limits", "service").rows
    limits = {process.name: process.limits for process in load().stated}
    assert sorted(documented) == sorted(
        [name, limit.memory, f"{limit.cpus:g}", str(limit.pids)] for name, limit in limits.items()
    )


def test_entries_of_project_toml() -> None:
    documented = {name for cell in table(BUILDING, "project.toml", "entry").column("entry") for name in spans(cell)}
    of_nexus = set(entries(tomllib.loads((ROOT / "project.toml").read_text())["nexus"], "nexus"))
    assert documented == of_nexus | OPTIONAL_ENTRIES | {"_.version"}


def entries(tables: dict[str, Any], place: str) -> Iterator[str]:
    """Yield the entries as the guide names them: `nexus.X`, and the names in its tables if these are not free."""
    for name, value in tables.items():
        yield f"{place}.{name}"
        if isinstance(value, dict) and name != "secrets":
            for key, inner in value.items():
                yield from inner if isinstance(inner, dict) else [key]


def test_no_document_names_a_variable_that_nothing_reads() -> None:
    text = "\n".join(path.read_text() for path in sources())
    named = {name for path in DOCUMENTS for name in re.findall(r"\bNEXUS_[A-Z_]+\b", path.read_text())}
    assert sorted(name for name in named if not re.search(rf"\b{name}\b", text)) == []


def test_each_variable_of_tools_and_recipes_is_documented() -> None:
    places = [path for path in sources() if {"tools", "docker"} & set(path.relative_to(ROOT).parts[:1])]
    used = {name for path in places for name in re.findall(r"\bNEXUS_[A-Z_]+[A-Z]\b", path.read_text())}
    described = "\n".join(path.read_text() for path in DOCUMENTS)
    of_tests = {"NEXUS_TEST_POSTGRES_URL", "NEXUS_TEST_REDIS_URL"}
    assert sorted(name for name in used - of_tests if name not in described) == []


def sources() -> list[Path]:
    folders = [ROOT / name for name in ("apps", "buildpacks", "docker", "libs", "tools")]
    found = [path for folder in folders for pattern in SOURCES for path in folder.rglob(pattern) if path.is_file()]
    return [*found, *ROOT.glob("docker-compose.*.yml"), ROOT / "Makefile"]
