"""The project descriptor, from which `pack` takes the build's variables.

Format: https://github.com/buildpacks/spec/blob/main/extensions/project-descriptor.md (schema 0.2)
"""

import tomllib
from pathlib import Path
from typing import Any

from nexus_python import errors
from nexus_python.textfile import read_text

SCHEMA = "0.2"


def read_build_variables(project: Path) -> dict[str, str]:
    """Return the variables under [[io.buildpacks.build.env]], name to value; the last of a name counts.

    Where there are none, those under [[io.buildpacks.env.build]] count, an older spelling. `pack` does both the same way.

    Raises:
        BuildError: the descriptor is missing, is not TOML, or is not of schema 0.2.
    """
    if not project.is_file():
        raise errors.missing_project(project)
    try:
        descriptor = tomllib.loads(read_text(project))
    except tomllib.TOMLDecodeError as error:
        raise errors.malformed_project(project, str(error)) from error
    schema = _table(project, descriptor, "_").get("schema-version")
    if schema != SCHEMA:
        found = "there is no _.schema-version" if schema is None else f"_.schema-version is {schema!r}"
        raise errors.malformed_project(project, found)
    build = _table(project, descriptor, "io", "buildpacks", "build")
    if "env" in build:
        return _variables(project, "io.buildpacks.build.env", build["env"])
    older = _table(project, descriptor, "io", "buildpacks", "env")
    return _variables(project, "io.buildpacks.env.build", older.get("build", []))


def _table(project: Path, descriptor: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return the table at `keys`, empty if there is none."""
    table: Any = descriptor
    for depth, key in enumerate(keys, start=1):
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise errors.malformed_project(project, f"{'.'.join(keys[:depth])} is not a table")
    return dict(table)


def _variables(project: Path, key: str, entries: object) -> dict[str, str]:
    if not isinstance(entries, list):
        raise errors.malformed_project(project, f"{key} is not an array of tables")
    variables: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        match entry:
            case {"name": str(name), "value": str(value)}:
                variables[name] = value
            case _:
                place = f"[[{key}]] number {number}"
                raise errors.malformed_project(
                    project, f"{place} is {entry!r}, not a name and a value that are strings"
                )
    return variables
