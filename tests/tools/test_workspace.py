"""project.toml says each thing once, and what else names a service agrees with it."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from nexusctl.workspace import COMPOSE_FILE, ROOT, Flavour, Service, Worker, load

APPS = pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)
OWN = [flavour for flavour in load().flavours if flavour.folder]
FLAVOURS = pytest.mark.parametrize("flavour", OWN, ids=lambda flavour: flavour.name)
MAKE = re.compile(r"`make ([a-z]+)`")
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
SOURCES = [*(ROOT / "tools").rglob("*.py"), ROOT / "tools" / "nexus", *(ROOT / "docker").rglob("*"), COMPOSE_FILE]
MESSAGES = [path for path in SOURCES if path.is_file()]


def test_each_app_is_a_folder_and_each_folder_an_app() -> None:
    assert sorted(path.name for path in (ROOT / "apps").iterdir()) == sorted(app.name for app in load().apps)


def test_every_service_has_its_dockerfile_and_no_dockerfile_is_of_nothing() -> None:
    found = sorted(path.name for path in (ROOT / "docker").glob("Dockerfile.*"))
    names = [*(service.name for service in load().services), *(flavour.name for flavour in OWN)]
    assert found == sorted(f"Dockerfile.{name}" for name in names)


@APPS
def test_app_descriptor_agrees(app: Service) -> None:
    settings = checked_descriptor(app.name, app.folder)
    assert settings["BPE_DEFAULT_PORT"] == str(app.port)


@FLAVOURS
def test_descriptor_of_a_flavour_agrees(flavour: Flavour) -> None:
    assert flavour.folder
    settings = checked_descriptor(flavour.name, flavour.folder)
    assert settings["BP_PIP_REQUIREMENT"] == f"{flavour.folder.name}/requirements.txt"
    assert settings["BPE_DEFAULT_PORT"] == str(worker_of(flavour).port)


def checked_descriptor(name: str, folder: Path) -> dict[str, str]:
    """Return the build variables of a project descriptor, which agrees with project.toml in all that each of them has."""
    document = tomllib.loads((folder / "project.toml").read_text())
    settings = {item["name"]: item["value"] for item in document["io"]["buildpacks"]["build"]["env"]}
    assert document["_"]["name"] == name
    assert document["_"]["version"] == load().version
    assert document["io"]["buildpacks"]["builder"] == load().builder
    assert "group" not in document["io"]["buildpacks"]
    assert settings["BP_CPYTHON_VERSION"] == f"{load().python}.*"
    return settings


def worker_of(flavour: Flavour) -> Worker:
    """Return the worker that runs a flavour."""
    (worker,) = (worker for worker in load().workers if worker.image == flavour.name)
    return worker


def test_every_project_has_the_version_of_the_workspace() -> None:
    projects = [*(ROOT / "apps").glob("*/pyproject.toml"), *(ROOT / "libs").glob("*/pyproject.toml")]
    projects += [flavour.folder / "pyproject.toml" for flavour in OWN if flavour.folder]
    found = {path.parent.name: tomllib.loads(path.read_text())["project"]["version"] for path in projects}
    assert found == dict.fromkeys(found, load().version)
    modules = [*(ROOT / "apps").glob("*/*/__init__.py"), *(ROOT / "libs").glob("*/src/*/__init__.py")]
    stated = {path.parent.name: VERSION.findall(path.read_text()) for path in modules if path.parent.name != "tests"}
    assert stated == {name: [load().version] for name in stated}
    assert len(stated) == len(found) - len(OWN)


@APPS
def test_dockerfile_has_the_port(app: Service) -> None:
    assert ports_of_dockerfile(app.name) == [str(app.port)] * 2


@FLAVOURS
def test_dockerfile_of_a_flavour_has_the_port_and_the_command_of_its_process(flavour: Flavour) -> None:
    assert ports_of_dockerfile(flavour.name) == [str(worker_of(flavour).port)] * 2
    (command,) = re.findall(r"^CMD (.+)$", (ROOT / "docker" / f"Dockerfile.{flavour.name}").read_text(), re.MULTILINE)
    procfile = (ROOT / "apps" / flavour.app / "Procfile").read_text().splitlines()
    assert f"{flavour.process}: {' '.join(json.loads(command))}" in procfile


def ports_of_dockerfile(name: str) -> list[str]:
    """Return the port that a Dockerfile exposes, and the one that it sets."""
    text = (ROOT / "docker" / f"Dockerfile.{name}").read_text()
    return re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE) + re.findall(r"\bPORT=(\d+)", text)


def test_compose_file_reads_every_secret_and_no_other() -> None:
    listed = re.findall(r"^  (\w+): \{file: \.nexus/secrets/(\w+)\}$", COMPOSE_FILE.read_text(), re.MULTILINE)
    assert [name for name, _ in listed] == [file for _, file in listed]
    assert sorted(name for name, _ in listed) == sorted(load().secrets)


def test_every_worker_is_a_process_of_its_apps_procfile() -> None:
    workers = (*load().workers, *load().optional)
    assert [worker.name for worker in workers if worker.process not in processes(worker.app)] == []


def processes(app: str) -> list[str]:
    """Return the process types of an app's Procfile."""
    return re.findall(r"^([\w-]+):", (ROOT / "apps" / app / "Procfile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_a_message_names_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(MAKE.findall(path.read_text())) - targets == set()


def test_messages_name_make_targets() -> None:
    assert {"up", "lock", "lint"} <= {target for path in MESSAGES for target in MAKE.findall(path.read_text())}
