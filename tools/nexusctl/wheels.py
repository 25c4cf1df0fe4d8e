"""Locks and wheels: resolved and fetched on the host, by its own package configuration, for the target interpreter."""

import os
import re
import shutil
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from nexusctl import build_cache as stamps
from nexusctl import shell
from nexusctl.console import Steps
from nexusctl.docker import architecture
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, load

WHEELS = STATE / "wheels"
INTERNAL = WHEELS / "internal"
CHASSIS = ROOT / "libs" / "chassis"
TEST_REQUIREMENTS = ROOT / "tests" / "requirements.txt"
CUDA_REQUIREMENTS = ROOT / "buildpacks" / "accelerator" / "cuda" / "requirements.txt"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_OLDEST_MANYLINUX = 5


def app_locks() -> list[Path]:
    """Return the lock of each app."""
    return [service.folder / "requirements.txt" for service in load().apps]


def inputs() -> str:
    """Return a hash of what the wheelhouse is made from."""
    return stamps.digest([*app_locks(), CHASSIS / "pyproject.toml", CHASSIS / "src"], architecture())


def lock(steps: Steps) -> None:
    """Write each app's requirements.txt, and those of tools and tests, from what their inputs ask for."""
    build_internal(steps)
    for service in load().apps:
        lock_app(steps, service.folder)
    with steps.step("lock cuda"):
        _compile(CUDA_REQUIREMENTS.with_name("pyproject.toml"), CUDA_REQUIREMENTS, *_target())
    with steps.step("lock tests"):
        # Relative: uv writes them into the lock.
        places = [os.path.relpath(path, TEST_REQUIREMENTS.parent) for path in app_locks()]
        constraints = [part for place in places for part in ("--constraint", place)]
        _compile(TEST_REQUIREMENTS.with_suffix(".in"), TEST_REQUIREMENTS, *_target(), *constraints)
    for name in ("requirements", "go-requirements"):
        with steps.step(f"lock tools/{name}"):
            source = ROOT / "tools" / f"{name}.in"
            _compile(source, source.with_suffix(".txt"), "--universal", "--python-version", "3.11", command="make lock")


def lock_app(steps: Steps, folder: Path) -> None:
    """Write the lock of the app in a folder; what an existing lock names stays as long as it fits."""
    build_internal(steps)
    with steps.step(f"lock {folder.name}"):
        _compile(folder / "pyproject.toml", folder / "requirements.txt", *_target())


def build_internal(steps: Steps) -> None:
    """Build the chassis wheel; the same source gives the same bytes on every machine."""
    value = stamps.digest([CHASSIS / "pyproject.toml", CHASSIS / "src"])
    if INTERNAL.exists() and stamps.is_current("chassis", value):
        return
    with steps.step("chassis wheel"):
        shutil.rmtree(INTERNAL, ignore_errors=True)
        shell.run([*_uv("build"), "--wheel", "--out-dir", INTERNAL, CHASSIS], log="chassis")
    for leftover in INTERNAL.glob(".gitignore"):
        leftover.unlink()
    stamps.finish("chassis", value)


def layer(steps: Steps) -> Path:
    """Return the wheelhouse of all apps as a layer tar with everything under /wheels, made anew if a lock changed."""
    build_internal(steps)
    path = STATE / "base" / "wheels.tar"
    if path.exists() and stamps.is_current("wheelhouse", inputs()):
        return path
    with steps.step("wheelhouse"):
        files = download(app_locks(), WHEELS / "apps")
        _write_layer(path, files)
    stamps.finish("wheelhouse", inputs())
    return path


def test_wheels(steps: Steps) -> Path:
    """Return the folder with the wheels that unit tests need beside an app's own."""
    build_internal(steps)
    return _folder(steps, "tests", TEST_REQUIREMENTS)


def cuda_wheels(steps: Steps) -> Path:
    """Return the folder with the wheels of the CUDA libraries; about 2.5 GB, fetched only where somebody asks for them."""
    return _folder(steps, "cuda", CUDA_REQUIREMENTS)


def _folder(steps: Steps, name: str, lock: Path) -> Path:
    folder = WHEELS / name
    value = stamps.digest([lock], architecture())
    if not (folder.exists() and stamps.is_current(f"{name}-wheels", value)):
        with steps.step(f"{name} wheelhouse"):
            download([lock], folder)
        stamps.finish(f"{name}-wheels", value)
    return folder


def download(locks: Iterable[Path], folder: Path) -> list[Path]:
    """Fetch every wheel of the locks, hash-checked, and drop the files that no lock names any more."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in locks:
        _check_lock(path)
        shell.run(
            [*_pip_download(), "--dest", folder, "--requirement", path],
            log=f"wheels-{path.parent.name}",
            remedy="if a hash differs: run `make lock` where the change was meant, and refuse the package where it was not",
        )
    wanted = {_key(*pin) for path in locks for pin in pins(path)}
    for wheel in folder.glob("*.whl"):
        if _key(*wheel.name.split("-")[:2]) not in wanted:
            wheel.unlink()
    return sorted(folder.glob("*.whl"))


def pins(path: Path) -> list[tuple[str, str]]:
    """Return (name, version) of each requirement in a lock."""
    return re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", path.read_text(), re.MULTILINE)


def _check_lock(path: Path) -> None:
    if not path.exists():
        raise NexusError(f"{path.relative_to(ROOT)} is missing", "no lock", "run `make lock`")
    for name, version in pins(path):
        found = [wheel for wheel in INTERNAL.glob("*.whl") if wheel.name.split("-")[0] == name.replace("-", "_")]
        if found and stamps.file_sha256(found[0]) not in path.read_text():
            raise NexusError(
                f"{path.relative_to(ROOT)} was made for another {name} {version}",
                f"{found[0].name} has sha256 {stamps.file_sha256(found[0])}, which the lock does not name",
                "run `make lock`, then commit the lock with the change",
            )


def _key(name: str, version: str) -> tuple[str, str]:
    return re.sub(r"[-_.]+", "_", name).lower(), version


def _pip_download() -> list[str]:
    newest = int(load().glibc.split(".")[1])
    machine = _MACHINES[architecture()]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST_MANYLINUX - 1, -1)]
    platforms = [
        part for tag in (*tags, f"manylinux2014_{machine}", f"manylinux1_{machine}") for part in ("--platform", tag)
    ]
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:"),
        *("--python-version", load().python, "--implementation", "cp", "--find-links", str(INTERNAL), *platforms),
    ]


def _target() -> tuple[str, ...]:
    # uv names manylinux up to 2.40; the newest it knows below the image's glibc is what counts.
    return ("--python-version", load().python, "--python-platform", "x86_64-manylinux_2_40")


def _compile(source: Path, target: Path, *options: str, command: str | None = None) -> None:
    # The buildpack refuses a lock whose header names another Python.
    command = command or f"make lock (Python {load().python})"
    shell.run(
        [
            *(*_uv("pip", "compile"), "--generate-hashes", "--no-emit-find-links", "--find-links", str(INTERNAL)),
            # Its version stays while its bytes change; uv would keep the hash that the old lock has.
            *("--upgrade-package", "nexus-chassis", "--refresh-package", "nexus-chassis"),
            *("--custom-compile-command", command, *options, "--output-file", str(target), str(source)),
        ],
        log=f"lock-{source.parent.name}",
        cwd=source.parent,  # where uv looks for [tool.uv]
    )


def _uv(*command: str) -> list[str]:
    # This very interpreter: uv would otherwise fetch one of its own.
    return [str(Path(sys.executable).with_name("uv")), *command, "--quiet", "--python", sys.executable]


def _write_layer(path: Path, files: list[Path]) -> None:
    partial = path.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as tar:
        for file in files:
            member = tar.gettarinfo(file, f"wheels/{file.name}")
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime, member.mode = load().epoch, 0o644
            with file.open("rb") as stream:
                tar.addfile(member, stream)
    partial.replace(path)
