"""The root project.toml as typed values, and the places of the tree."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from nexusctl.errors import NexusError

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".nexus"
APPS = ROOT / "apps"
COMPOSE_FILE = ROOT / "docker-compose.production.yml"


@dataclass(frozen=True)
class Base:
    """An image made from Debian packages: its layers are docker/base roots, and the wheelhouse if it has one."""

    image: str
    roots: tuple[str, ...]
    wheelhouse: bool
    budget_mb: float | None


@dataclass(frozen=True)
class Limits:
    """What one container may use: memory as compose writes it, such as "512m", processor cores, processes."""

    memory: str
    cpus: float
    pids: int


@dataclass(frozen=True)
class Service:
    """One service of the stack. `app` services are folders under apps/; `store` services are Dockerfiles only."""

    name: str
    kind: str
    image: str
    base: str
    port: int
    published: bool
    budget_mb: float
    start_seconds: float | None
    limits: Limits
    replicas: int

    @property
    def folder(self) -> Path:
        """Where an app's source lies."""
        return APPS / self.name


@dataclass(frozen=True)
class Flavour:
    """Another image from a service's folder: another run image or default process, or with an accelerator's libraries.

    One with a `folder` of its own has its project descriptor and lock there, and a Dockerfile of its own.
    """

    name: str
    app: str
    run_image: str
    process: str
    budget_mb: float
    accelerator: str | None
    folder: Path | None = None


@dataclass(frozen=True)
class Worker:
    """A process of the stack without HTTP: one of the Procfile of `app`, in the image of that app or of a flavour.

    It writes a heartbeat file; the container is unhealthy once that is older than `heartbeat_seconds`. Others of the
    stack may reach it at `port`, which is never published. A `user_id` is one that no other container has. One with a
    `profile` is started only where compose is told that name.
    """

    name: str
    app: str
    image: str
    process: str
    heartbeat_seconds: int
    limits: Limits
    replicas: int
    port: int | None = None
    user_id: int | None = None
    profile: str | None = None


@dataclass(frozen=True)
class Workspace:
    """All that project.toml states. `optional` are the workers that a profile of the compose file starts."""

    version: str
    python: str
    glibc: str
    epoch: int
    user_id: int
    toolchain: dict[str, str]
    bases: tuple[Base, ...]
    builder: str
    services: tuple[Service, ...]
    flavours: tuple[Flavour, ...]
    workers: tuple[Worker, ...]
    optional: tuple[Worker, ...]
    secrets: dict[str, str]

    @property
    def apps(self) -> tuple[Service, ...]:
        """The services that have a folder under apps/."""
        return tuple(service for service in self.services if service.kind == "app")

    @property
    def stores(self) -> tuple[Service, ...]:
        """The services that keep state."""
        return tuple(service for service in self.services if service.kind == "store")

    @property
    def processes(self) -> tuple[Service | Worker, ...]:
        """Everything that the compose file runs without a profile."""
        return (*self.services, *self.workers)

    @property
    def stated(self) -> tuple[Service | Worker, ...]:
        """Everything that the compose file states."""
        return (*self.processes, *self.optional)

    @property
    def flavours_of_workers(self) -> tuple[Flavour, ...]:
        """The flavours that the compose file runs without a profile."""
        images = {worker.image for worker in self.workers}
        return tuple(flavour for flavour in self.flavours if flavour.name in images)

    def base(self, image: str) -> Base:
        """Return the base image of that name."""
        return next(base for base in self.bases if base.image == image)


@cache
def load() -> Workspace:
    """Read the root project.toml; raise NexusError where it cannot be read or lacks an entry."""
    try:
        return _workspace(tomllib.loads((ROOT / "project.toml").read_text()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NexusError("project.toml cannot be read", str(error), "fix the line that it names") from error
    except _MissingError as error:
        found = f"{error.place} has no `{error.entry}`"
        raise NexusError(
            "project.toml is incomplete", found, "add it; docs/concepts/build-pipeline.md lists what each entry says"
        ) from error


@dataclass
class _MissingError(Exception):
    place: str
    entry: str


class _Table(dict[str, Any]):
    """A table of project.toml that knows its place, so that a missing entry can be named."""

    def __init__(self, place: str, entries: dict[str, Any]) -> None:
        super().__init__(entries)
        self._place = place

    def __getitem__(self, entry: str) -> Any:  # noqa: ANN401 - any TOML value
        value = super().__getitem__(entry)
        return _Table(f"{self._place}.{entry}".removeprefix("."), value) if isinstance(value, dict) else value

    def __missing__(self, entry: str) -> NoReturn:
        raise _MissingError(self._place or "it", entry)

    def tables(self) -> list[tuple[str, "_Table"]]:
        return [(name, self[name]) for name in self]


def _workspace(tables: dict[str, Any]) -> Workspace:
    document = _Table("", tables)
    nexus = document["nexus"]
    services = tuple(_service(name, table) for name, table in nexus["services"].tables())
    flavours = tuple(_flavour(name, table) for name, table in nexus["flavours"].tables())
    apps = {service.name: service.name for service in services if service.kind == "app"}
    apps |= {flavour.name: flavour.app for flavour in flavours}
    workers = [_worker(name, table, apps) for name, table in nexus["workers"].tables()]
    return Workspace(
        version=document["_"]["version"],
        python=nexus["python"],
        glibc=nexus["glibc"],
        epoch=nexus["source-date-epoch"],
        user_id=nexus["user-id"],
        toolchain=dict(nexus["toolchain"]),
        bases=tuple(_base(image, table) for image, table in nexus["bases"].tables()),
        builder=nexus["builder"]["image"],
        services=services,
        flavours=flavours,
        workers=tuple(worker for worker in workers if worker.profile is None),
        optional=tuple(worker for worker in workers if worker.profile is not None),
        secrets=dict(nexus["secrets"]),
    )


def _base(image: str, table: _Table) -> Base:
    return Base(image, tuple(table["roots"]), table.get("wheelhouse", False), table.get("budget-mb"))


def _service(name: str, table: _Table) -> Service:
    return Service(
        name=name,
        kind=table["kind"],
        image=table.get("image", name),
        base=table.get("base", "nexus/run"),
        port=table["port"],
        published=table.get("published", False),
        budget_mb=table["budget-mb"],
        start_seconds=table.get("start-seconds"),
        limits=_limits(table),
        replicas=table.get("replicas", 1),
    )


def _flavour(name: str, table: _Table) -> Flavour:
    return Flavour(
        name=name,
        app=table["app"],
        run_image=table.get("run-image", "nexus/run"),
        process=table.get("process", "web"),
        budget_mb=table["budget-mb"],
        accelerator=table.get("accelerator"),
        folder=APPS / table["app"] / table["folder"] if "folder" in table else None,
    )


def _worker(name: str, table: _Table, apps: Mapping[str, str]) -> Worker:
    image = table["image"]
    if image not in apps:
        raise NexusError(
            f"nothing builds the image of the worker {name}",
            f'nexus.workers.{name} of project.toml has image = "{image}"',
            f"set it to an app or a flavour: {', '.join(apps)}",
        )
    return Worker(
        name=name,
        app=apps[image],
        image=image,
        process=table["process"],
        heartbeat_seconds=table["heartbeat-seconds"],
        limits=_limits(table),
        replicas=table.get("replicas", 1),
        port=table.get("port"),
        user_id=table.get("user-id"),
        profile=table.get("profile"),
    )


def _limits(table: _Table) -> Limits:
    return Limits(table["memory"], table["cpus"], table["pids"])
