"""Locks: resolved on the host, by its own package configuration, for the target interpreter.

Each lock's header has a hash of what it was resolved from. Where that is unchanged nothing is resolved again: a change of
the chassis's code alone replaces its line, which takes no package index and no time.
"""

import hashlib
import json
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexusctl import build_cache, chassis, shell, wheels
from nexusctl.chassis import uv
from nexusctl.console import Steps, out
from nexusctl.workspace import ROOT, load

_INPUTS = "# inputs: sha256 "
_HEADER_LINES = 2
_CHASSIS = re.compile(rf"^{chassis.NAME}==\S+ \\\n    --hash=sha256:[0-9a-f]{{64}}$", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True)
class Lock:
    """A lock and what it is resolved from: a pyproject.toml or a .in file, and locks whose versions it keeps to."""

    target: Path
    source: Path
    options: tuple[str, ...]
    command: str
    constraints: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name; with the file's own where a folder has several."""
        folder, stem = self.target.parent.name, self.target.stem
        return folder if stem == "requirements" else f"{folder}/{stem}"

    def inputs(self) -> str:
        """Return a hash of all that the outcome depends on, apart from what package indexes offer."""
        stated = [_requirements(self.source), self.options, self.command, list(map(_versions, self.constraints))]
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()

    def is_current(self) -> bool:
        """Whether the lock was resolved from what its inputs are now."""
        return self.target.exists() and f"{_INPUTS}{self.inputs()}\n" in self.target.read_text()

    def resolve(self) -> None:
        """Write the lock; what an existing one names stays as long as it fits."""
        # Relative: uv writes them into the lock.
        places = [os.path.relpath(path, self.source.parent) for path in self.constraints]
        shell.run(
            [
                *(
                    *uv("pip", "compile"),
                    "--generate-hashes",
                    "--no-emit-find-links",
                    "--find-links",
                    str(chassis.FOLDER),
                ),
                *(part for place in places for part in ("--constraint", place)),
                *("--custom-compile-command", self.command, *self.options),
                *("--output-file", str(self.target), str(self.source)),
            ],
            log=f"lock-{self.name.replace('/', '-')}",
            cwd=self.source.parent,  # where uv looks for [tool.uv]
        )
        lines = self.target.read_text().splitlines(keepends=True)
        lines.insert(_HEADER_LINES, f"{_INPUTS}{self.inputs()}\n")
        _write(self.target, "".join(lines))


def lock(steps: Steps) -> None:
    """Bring every lock up to date: those of the apps, of CUDA, of tests and tools."""
    changed = [_update(steps, item) for item in [*_of_apps(), *_others()]]
    if not any(changed):
        out.print("All locks are up to date.")


def lock_app(steps: Steps, folder: Path) -> None:
    """Bring the lock of the app in a folder up to date."""
    _update(steps, _of_app(folder / "requirements.txt"))


def main() -> int:
    """Print the locks that were made for another chassis than this tree's; return whether there are some, as an exit status."""
    wanted = chassis.version()
    outdated = [path for path in wheels.app_locks() if dict(wheels.pins(path)).get(chassis.NAME, wanted) != wanted]
    for path in outdated:
        sys.stdout.write(f"{path.relative_to(ROOT)} was made for another {chassis.NAME}: run `make lock`\n")
    return int(bool(outdated))


def _of_apps() -> list[Lock]:
    """Return the locks of apps, and those of flavours, which have the versions that apps have."""
    apps = tuple(app.folder / "requirements.txt" for app in load().apps)
    return [_of_app(target, () if target in apps else apps) for target in wheels.app_locks()]


def _of_app(target: Path, constraints: tuple[Path, ...] = ()) -> Lock:
    return Lock(target, target.with_name("pyproject.toml"), _target(), _command(), constraints)


def _others() -> list[Lock]:
    cuda, tests = wheels.CUDA_REQUIREMENTS, wheels.TEST_REQUIREMENTS
    tools = [ROOT / "tools" / name for name in ("requirements.txt", "go-requirements.txt")]
    universal = ("--universal", "--python-version", "3.11")
    return [
        Lock(cuda, cuda.with_name("pyproject.toml"), _target(), _command()),
        Lock(tests, tests.with_suffix(".in"), _target(), _command(), tuple(wheels.app_locks())),
        *(Lock(path, path.with_suffix(".in"), universal, "make lock") for path in tools),
    ]


def _target() -> tuple[str, ...]:
    # uv names manylinux up to 2.40; the newest it knows below the image's glibc is what counts.
    return ("--python-version", load().python, "--python-platform", "x86_64-manylinux_2_40")


def _command() -> str:
    # The buildpack refuses a lock whose header names another Python.
    return f"make lock (Python {load().python})"


def _update(steps: Steps, item: Lock) -> bool:
    """Bring a lock up to date; return whether it has changed."""
    wheel = chassis.build(steps)
    before = item.target.read_text() if item.target.exists() else ""
    if not item.is_current():
        with steps.step(f"lock {item.name}"):
            item.resolve()
    elif (text := _with_chassis(before, wheel)) != before:
        with steps.step(f"chassis in the lock of {item.name}"):
            _write(item.target, text)
    return item.target.read_text() != before


def _with_chassis(text: str, wheel: Path) -> str:
    return _CHASSIS.sub(
        f"{chassis.NAME}=={chassis.version()} \\\\\n    --hash=sha256:{build_cache.file_sha256(wheel)}", text
    )


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.new")
    partial.write_text(text)
    partial.replace(path)


def _requirements(source: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a pyproject.toml or a .in file asks for, and what the chassis asks for if that is among it."""
    if source.suffix == ".in":
        return [line for line in (_COMMENT.sub("", line).strip() for line in source.read_text().splitlines()) if line]
    document = tomllib.loads(source.read_text())
    own = [*_asked_for(document["project"]), document.get("tool", {}).get("uv", {})]
    needs_chassis = any(re.match(rf"{chassis.NAME}\b", item) for item in document["project"]["dependencies"])
    return [*own, [*_asked_for(chassis.project()), chassis.project()["version"]]] if needs_chassis else own


def _asked_for(project: dict[str, Any]) -> list[Any]:
    return [project["name"], project["requires-python"], project["dependencies"]]


def _versions(lock: Path) -> list[tuple[str, str]]:
    return [pin for pin in wheels.pins(lock) if pin[0] != chassis.NAME]


if __name__ == "__main__":
    sys.exit(main())
