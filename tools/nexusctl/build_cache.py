"""The inputs of each step when it last finished: a step whose inputs have not changed is skipped."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from nexusctl.workspace import ROOT, STATE

_FOLDER = STATE / "build-cache"


def digest(paths: Iterable[Path], *values: str) -> str:
    """Return one hash over the names and contents of files and of all files in folders, and over `values`."""
    total = hashlib.sha256()
    for path in sorted(_files(paths)):
        total.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode & 0o111 != 0}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    for value in values:
        total.update(value.encode() + b"\0")
    return total.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_current(step: str, value: str) -> bool:
    """Return whether the step last finished with these inputs; if not, forget that it ever finished."""
    path = _FOLDER / step
    if path.exists() and path.read_text() == value:
        return True
    path.unlink(missing_ok=True)
    return False


def finish(step: str, value: str) -> None:
    """Record that the step has finished with these inputs."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / step).write_text(value)


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_file():
            yield path
        else:
            yield from (
                file
                for file in path.rglob("*")
                if file.is_file() and not {"__pycache__", ".pytest_cache"} & set(file.parts)
            )
