"""What the compose file and project.toml each state about the processes of the stack, in one form."""

import re
from typing import Any

from nexusctl.stack import port_variable
from nexusctl.workspace import Service, Worker, Workspace

Stated = dict[str, dict[str, Any]]
"""Process -> what is stated -> value."""

_SERVICES = re.compile(r"^services:\n((?:(?: .*|#.*)?\n)+)", re.MULTILINE)
_PROCESS = re.compile(r"^  ([\w-]+):\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)


def of_compose_file(text: str) -> Stated:
    """Return what the compose file states."""
    match = _SERVICES.search(text)
    assert match
    return {name: _stated(entries) for name, entries in _PROCESS.findall(match[1])}


def of_project(workspace: Workspace) -> Stated:
    """Return what project.toml states."""
    return {process.name: _expected(process) for process in workspace.stated}


def _stated(entries: str) -> dict[str, Any]:
    return {
        "held as": _value(entries, r"    <<: \*(\S+)"),
        "image": _value(entries, r"    image: (\S+)"),
        "command": _value(entries, r"    entrypoint: \[(.+)\]"),
        "user": _value(entries, r'    user: "(\d+:\d+)"'),
        "port": _value(entries, r'      PORT: "(\d+)"'),
        "published": re.findall(r'\$\{(\w+):[^}]*\}:(\d+)"', _value(entries, r"    ports: (.+)") or ""),
        "heartbeat seconds": _value(entries, r'      NEXUS_HEARTBEAT_SECONDS: "(\d+)"'),
        "profiles": _value(entries, r"    profiles: \[(.+)\]"),
        "replicas": _value(entries, r"    deploy: \{replicas: (\d+)\}"),
        "limits": [_value(entries, rf"    {name}: (\S+)") for name in ("mem_limit", "cpus", "pids_limit")],
    }


def _value(entries: str, pattern: str) -> str | None:
    found = re.findall(rf"^{pattern}(?: #.*)?$", entries, re.MULTILINE)
    assert len(found) <= 1, f"{pattern} is there {len(found)} times"
    return found[0] if found else None


def _expected(process: Service | Worker) -> dict[str, Any]:
    limits = process.limits
    return {
        **(_of_worker(process) if isinstance(process, Worker) else _of_service(process)),
        "replicas": str(process.replicas) if process.replicas > 1 else None,
        "limits": [limits.memory, f"{limits.cpus:g}", str(limits.pids)],
    }


def _of_worker(worker: Worker) -> dict[str, Any]:
    return {
        "held as": "service",
        "image": f"{worker.image}:${{NEXUS_TAG:-latest}}",
        "command": f"/cnb/process/{worker.process}",
        "user": f"{worker.user_id}:{worker.user_id}" if worker.user_id else None,
        "port": str(worker.port) if worker.port else None,
        "published": [],
        "heartbeat seconds": str(worker.heartbeat_seconds),
        "profiles": worker.profile,
    }


def _of_service(service: Service) -> dict[str, Any]:
    is_app = service.kind == "app"
    variable = f"${{NEXUS_{service.name.upper()}_IMAGE:-{service.image}}}"
    return {
        "held as": "service" if is_app else "hardening",
        "image": f"{service.image}:${{NEXUS_TAG:-latest}}" if is_app else variable,
        "command": None,
        "user": None,
        "port": str(service.port) if is_app else None,
        "published": [(port_variable(service), str(service.port))] if service.published else [],
        "heartbeat seconds": None,
        "profiles": None,
    }
