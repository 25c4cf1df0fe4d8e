"""The metadata of an image: the engine's document of it."""

import json
from typing import Any

from nexusctl.parity.facts import Facts


def observe(document: dict[str, Any]) -> Facts:
    """Return the facts in the output of `docker image inspect`."""
    config = document["Config"]
    return {
        "platform": {f"{document['Os']}/{document['Architecture']}": ""},
        "user": _single(config["User"]),
        "exposed ports": dict.fromkeys(config.get("ExposedPorts") or {}, ""),
        "volumes": dict.fromkeys(config.get("Volumes") or {}, ""),
        "health check": {key: json.dumps(value) for key, value in (config.get("Healthcheck") or {}).items()},
        "stop signal": _single(config.get("StopSignal", "")),
        "build triggers": dict.fromkeys(config.get("OnBuild") or [], ""),
        "entrypoint": _single(" ".join(config["Entrypoint"] or [])),
        "command": _single(" ".join(config["Cmd"] or [])),
        "working directory": _single(config["WorkingDir"]),
        "image environment": dict(entry.split("=", 1) for entry in config["Env"] or []),
        "labels": dict(config["Labels"] or {}),
    }


def megabytes(document: dict[str, Any]) -> float:
    """Return the uncompressed size in MB (10^6 bytes)."""
    return int(document["Size"]) / 1e6


def _single(value: str) -> dict[str, str]:
    return {value: ""} if value else {}
