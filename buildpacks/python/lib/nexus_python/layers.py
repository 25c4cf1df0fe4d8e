"""Files of the layers folder: layer metadata, launch.toml, environment files (buildpack specification, API 0.10).

The standard library reads TOML but doesn't write it; what is written here is flat.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from nexus_python.procfile import DEFAULT_PROCESS, Process

Metadata = Mapping[str, str | Sequence[str]]


def write_launch_layer(layers: Path, name: str, metadata: Metadata) -> None:
    """Declare the layer `name` part of the launch image; without a folder of that name the previous image's is kept."""
    lines = [
        "[types]",
        "launch = true",
        "",
        "[metadata]",
        *(f"{key} = {_value(value)}" for key, value in metadata.items()),
    ]
    (layers / f"{name}.toml").write_text("\n".join(lines) + "\n", "utf-8")


def previous_metadata(layers: Path, name: str) -> dict[str, object]:
    """Return the metadata that the layer `name` has in the previous image; empty if there is none."""
    path = layers / f"{name}.toml"
    if not path.is_file():
        return {}
    metadata = tomllib.loads(path.read_text("utf-8")).get("metadata", {})
    return dict(metadata)


def write_launch_environment(layer: Path, files: Mapping[str, str]) -> None:
    """Write environment files, name to content, that the launcher applies before it starts any process."""
    folder = layer / "env.launch"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")


def write_launch(layers: Path, processes: Sequence[Process], labels: Mapping[str, str]) -> None:
    """Write launch.toml: the image's processes, `web` the default, and its labels."""
    lines: list[str] = []
    for process in processes:
        lines += ["[[processes]]", f"type = {_value(process.type)}", f"command = {_value(process.command)}"]
        lines += [f"default = {json.dumps(process.type == DEFAULT_PROCESS)}", ""]
    for key, value in labels.items():
        lines += ["[[labels]]", f"key = {_value(key)}", f"value = {_value(value)}", ""]
    (layers / "launch.toml").write_text("\n".join(lines), "utf-8")


def _value(value: str | Sequence[str]) -> str:
    """Return a TOML string or array of strings; JSON's are TOML's but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
