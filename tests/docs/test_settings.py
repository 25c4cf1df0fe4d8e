"""Settings, secrets and limits: what docs/operating.md and the apps' READMEs say is what compose file and code have."""

import re
from pathlib import Path

import pytest
from documents import APP_READMES, BUILDING, DOCUMENTS, OPERATING, plain, spans, table

from nexusctl.workspace import COMPOSE_FILE, ROOT, Service, load

COMPOSE = COMPOSE_FILE.read_text()
CHASSIS_SETTINGS = ROOT / "libs" / "chassis" / "src" / "nexus_chassis" / "settings.py"
SOURCES = ("*.py", "*.sh", "nexus", "make-roots", "*.yml", "Makefile", "entrypoint")
CLASS = re.compile(r"^class (\w+)\(([^)]*)\):\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)
APPS = pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)


def compose_service(service: str) -> str:
    """Return a service's part of the compose file."""
    match = re.search(rf"^  {service}:\n((?:    .*\n|\n)+)", COMPOSE, re.MULTILINE)
    assert match
    return match[1]


def compose_entry(service: str, entry: str) -> str:
    match = re.search(rf"^    {entry}: (.+)$", compose_service(service), re.MULTILINE)
    return match[1] if match else ""


def test_variables_of_the_compose_file() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", COMPOSE))
    documented = table(OPERATING, "Settings", "name")
    defaults = [plain(cell) for cell in documented.column("default")]
    names = [plain(cell) for cell in documented.column("name")]
    assert dict(zip(names, defaults, strict=True)) == {key: value or "none" for key, value in used.items()}


def test_variables_that_the_compose_file_sets_in_containers() -> None:
    used = set(re.findall(r"^ +([A-Z][A-Z0-9_]+): ", COMPOSE, re.MULTILINE))
    cells = table(OPERATING, "Settings", "variable").column("variable")
    assert sorted(name for cell in cells for name in spans(cell)) == sorted(used)


def test_secrets_and_who_reads_them() -> None:
    documented = table(OPERATING, "Secrets", "file")
    rows = zip(documented.column("file"), documented.column("who reads it"), strict=True)
    mounted = {service.name: re.findall(r"\w+", compose_entry(service.name, "secrets")) for service in load().services}
    assert {plain(file): set(readers.split(", ")) for file, readers in rows} == {
        secret: {service for service, secrets in mounted.items() if secret in secrets} for secret in load().secrets
    }


def test_each_secret_can_be_rotated() -> None:
    documented = [name for cell in table(OPERATING, "Rotating one", "secret").column("secret") for name in spans(cell)]
    derived = [name for name, kind in load().secrets.items() if kind == "redis-acl"]
    assert sorted(documented + derived) == sorted(load().secrets)


def test_rotation_restarts_whoever_reads_the_secret() -> None:
    readers = dict(
        zip(
            map(plain, table(OPERATING, "Secrets", "file").column("file")),
            table(OPERATING, "Secrets", "file").column("who reads it"),
            strict=True,
        )
    )
    rotation = table(OPERATING, "Rotating one", "secret")
    assert rotation.rows
    for cell, command in zip(rotation.column("secret"), rotation.column("command"), strict=True):
        restarted = {word for part in spans(command) for word in part.split()[3:]}
        needed = {service for secret in spans(cell) for service in readers[secret].split(", ")}
        assert restarted - {"redis"} == needed, cell


def test_limits() -> None:
    documented = table(OPERATING, "Limits", "service").rows
    assert sorted(documented) == sorted(
        [service.name, *(compose_entry(service.name, entry) for entry in ("mem_limit", "cpus", "pids_limit"))]
        for service in load().services
    )


def test_entries_of_project_toml() -> None:
    documented = {name for cell in table(BUILDING, "project.toml", "entry").column("entry") for name in spans(cell)}
    assert documented == project_entries()


def project_entries() -> set[str]:
    """Return what tools/nexusctl/workspace.py reads, by the names that the guide uses."""
    source = (ROOT / "tools" / "nexusctl" / "workspace.py").read_text()
    of_table = set(re.findall(r'table(?:\.get\(|\[)"([a-z-]+)"', source))
    of_nexus = {f"nexus.{name}" for name in re.findall(r'nexus\["([a-z-]+)"\]', source)}
    return of_table | of_nexus | {"image", "_.version", "nexus.debian", *load().toolchain}


@APPS
def test_settings_of_an_app(app: Service) -> None:
    documented = [plain(cell) for cell in table(APP_READMES[app.name], "Settings", "name").column("name")]
    assert len(documented) == len(set(documented))
    assert set(documented) == settings_of(app)


def settings_of(app: Service) -> set[str]:
    """Return the environment variables of an app's Settings, with those of its bases in the chassis.

    Read as text: the images' Python knows syntax that this machine's may not.
    """
    (path,) = app.folder.glob("*/settings.py")
    classes = {found[1]: found for source in (CHASSIS_SETTINGS, path) for found in CLASS.finditer(source.read_text())}
    waiting, names = ["Settings"], set[str]()
    while waiting:
        if found := classes.get(waiting.pop()):
            waiting += found[2].split(", ")
            names |= set(re.findall(r'validation_alias="(\w+)"', found[3]))
    return names


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
