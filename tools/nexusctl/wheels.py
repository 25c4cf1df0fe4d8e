"""Wheels: fetched on the host, by its own package configuration, for the target interpreter."""

import re
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from nexusctl import build_cache, chassis, shell
from nexusctl.console import Steps
from nexusctl.docker import architecture
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, load

WHEELS = STATE / "wheels"
TEST_REQUIREMENTS = ROOT / "tests" / "requirements.txt"
CUDA_REQUIREMENTS = ROOT / "buildpacks" / "accelerator" / "cuda" / "requirements.txt"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_OLDEST_MANYLINUX = 5


def app_locks() -> dict[Path, str]:
    """Return the lock of each app and of each flavour that has its own, with the name of the app."""
    apps = {service.folder: service.name for service in load().apps}
    apps |= {flavour.folder: flavour.app for flavour in load().flavours if flavour.folder}
    return {folder / "requirements.txt": name for folder, name in apps.items()}


def inputs() -> str:
    """Return a hash of what the wheelhouse is made from."""
    return build_cache.digest([*app_locks(), *chassis.SOURCES], architecture())


def layer(steps: Steps) -> Path:
    """Return the wheelhouse of all apps as a layer tar with everything under /wheels, made anew if a lock changed."""
    chassis.build(steps)
    path = STATE / "base" / "wheels.tar"
    if path.exists() and build_cache.is_current("wheelhouse", inputs()):
        return path
    with steps.step("wheelhouse"):
        files = download(app_locks(), WHEELS / "apps")
        _write_layer(path, files)
    build_cache.finish("wheelhouse", inputs())
    return path


def test_wheels(steps: Steps) -> Path:
    """Return the folder with the wheels that unit tests need beside an app's own."""
    chassis.build(steps)
    return _folder(steps, "tests", TEST_REQUIREMENTS)


def cuda_wheels(steps: Steps) -> Path:
    """Return the folder with the wheels of the CUDA libraries; about 2.5 GB, fetched only where somebody asks for them."""
    return _folder(steps, "cuda", CUDA_REQUIREMENTS)


def _folder(steps: Steps, name: str, lock: Path) -> Path:
    folder = WHEELS / name
    value = build_cache.digest([lock], architecture())
    if not (folder.exists() and build_cache.is_current(f"{name}-wheels", value)):
        with steps.step(f"{name} wheelhouse"):
            download([lock], folder)
        build_cache.finish(f"{name}-wheels", value)
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
        found = [wheel for wheel in chassis.FOLDER.glob("*.whl") if wheel.name.split("-")[0] == name.replace("-", "_")]
        if found and build_cache.file_sha256(found[0]) not in path.read_text():
            raise NexusError(
                f"{path.relative_to(ROOT)} was made for another {name} {version}",
                f"{found[0].name} has sha256 {build_cache.file_sha256(found[0])}, which the lock does not name",
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
        *("--python-version", load().python, "--implementation", "cp", "--find-links", str(chassis.FOLDER), *platforms),
    ]


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
