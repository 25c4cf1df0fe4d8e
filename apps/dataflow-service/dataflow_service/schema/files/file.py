"""A file of migrations: its name, what it builds on, its steps as SQL, and the tables that they make."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from dataflow_service.schema.changes import Change, check
from dataflow_service.schema.files.errors import ForbiddenStatementError
from dataflow_service.schema.files.statements import fault
from dataflow_service.schema.steps import Step, Steps
from dataflow_service.schema.tables import SERVICE_TABLES
from nexus_chassis import strict_json
from nexus_chassis.limits import JsonLimits

_LIMITS = JsonLimits(values=1_000_000)
_CHECKSUM = "checksum"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A file that a squashed one replaces; it may have replaced others itself."""

    checksum: str
    replaces: "Mapping[str, Replaced]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """A file. `parents` are the checksums of the files that it builds on, by name, `replaces` what it was squashed from."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    checksum: str = ""
    parents: Mapping[str, str] = field(default_factory=dict)
    replaces: Mapping[str, Replaced] = field(default_factory=dict)
    steps: Steps
    changes: Sequence[Change]


_FILE: TypeAdapter[MigrationFile] = TypeAdapter(MigrationFile)


def dump(file: MigrationFile) -> str:
    """Return the text of a file, with its checksum."""
    content = _FILE.dump_python(file, mode="json", exclude_defaults=True, exclude={_CHECKSUM})
    return _text(content)


def _text(content: Mapping[str, Any]) -> str:
    """Each step and each change is a line, so that version control shows what differs."""
    members = {"name": content["name"], _CHECKSUM: _digest(content), **content}
    lines = [f"{json.dumps(name)}: {_value(value)}" for name, value in members.items()]
    return "{\n  " + ",\n  ".join(lines) + "\n}\n"


def _value(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, ensure_ascii=False)
    return "[\n    " + ",\n    ".join(json.dumps(item, ensure_ascii=False) for item in value) + "\n  ]"


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def load(data: bytes) -> tuple[MigrationFile, str]:
    """Return a file and the checksum of what it has, which is its own unless it was edited.

    Raises:
        ValueError: It is not such a file.
        ForbiddenStatementError: It has a statement that no file may have.
    """
    content = strict_json.loads(data, limits=_LIMITS)
    try:
        file = _FILE.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'/'.join(map(str, first['loc']))}: {first['msg']}") from None
    _check(file)
    content.pop(_CHECKSUM, None)
    return file, _digest(content)


def sealed(data: bytes) -> str:
    """Return the text of a file that was edited, with the checksum of what it has now; raises like `load`."""
    load(data)
    content = strict_json.loads(data, limits=_LIMITS)
    content.pop(_CHECKSUM, None)
    return _text(content)


def _check(file: MigrationFile) -> None:
    for step in _all_steps(file.steps):
        if (reason := fault(step.statement)) is not None:
            raise ForbiddenStatementError(file.name, step.statement, reason)
    for change in file.changes:
        check(change)
    if taken := SERVICE_TABLES & {change.table for change in file.changes}:
        raise ValueError(f"it changes {', '.join(sorted(taken))}, of the service itself")


def _all_steps(steps: Steps) -> list[Step]:
    return [*steps, *(step.undo for step in steps if step.undo is not None)]
