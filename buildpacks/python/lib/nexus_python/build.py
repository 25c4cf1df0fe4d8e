"""The build phase: layers and processes from the lock, the settings and the Procfile."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from nexus_python import __version__, python_version
from nexus_python.bindings import Certificate, find_certificates
from nexus_python.install import SCRIPTS, SITE_PACKAGES, InstallPlan, exit_status, finish_app, read_locks
from nexus_python.layers import write_launch, write_launch_environment, write_launch_layer
from nexus_python.output import count, say
from nexus_python.packages_layer import contribute_packages
from nexus_python.pip_install import describe_python
from nexus_python.procfile import DEFAULT_PROCESS, Process, read_procfile
from nexus_python.programs import check_programs
from nexus_python.settings import Settings, read_settings, resolve_find_links

# The launcher applies layers in the order of their names: what the application sets in `variables` comes last.
CERTIFICATES = "ca-certificates"
PACKAGES = "packages"
VARIABLES = "variables"

_LAUNCH_FOLDERS = ("exec.d", "launch")  # the helper that trusts certificates, and the module that it reads them with

_PYTHON_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE.default": "1",  # the bytecode is in the image, whose root is read-only
    "PYTHONUNBUFFERED.default": "1",
    "PYTHONPATH.delim": ":",
}


def build(app: Path, layers: Path, platform_dir: Path, environ: Mapping[str, str]) -> None:
    """Turn the application in `app` into launch layers, processes and labels under `layers`.

    Everything that can be wrong in the application is checked before anything is installed, except for the programs of
    its processes, since packages bring some.

    Raises:
        BuildError: something is.
    """
    say(f"nexus/python {__version__}", depth=0)
    settings = read_settings(environ)
    _note_ignored(settings)
    _check_python(app, settings.python)
    processes = read_procfile(app)
    plan = InstallPlan(
        read_locks(app, settings.requirements), resolve_find_links(app, settings.find_links), settings.prune
    )
    certificates = find_certificates(environ, platform_dir)
    search = {"PYTHONPATH.prepend": str(layers / PACKAGES / SITE_PACKAGES)}
    scripts = contribute_packages(layers, PACKAGES, plan, environ, _PYTHON_ENVIRONMENT | search)
    check_programs(processes, app, layers / PACKAGES / SCRIPTS, scripts)
    finish_app(app)
    _contribute_certificates(layers, certificates, embed=settings.embed_certificates)
    _contribute_variables(layers, settings.launch_environment)
    write_launch(layers, processes, settings.labels)
    _describe_processes(processes)


def _note_ignored(settings: Settings) -> None:
    for name in settings.ignored:
        say(f"Note: {name} is not read by this builder's buildpacks and changes nothing")


def _check_python(app: Path, constraint: str) -> None:
    python_version.check_constraint(constraint)
    say(f"{describe_python()}, as BP_CPYTHON_VERSION={constraint} asks" if constraint else describe_python())
    python_version.check_files(app)


def _contribute_certificates(layers: Path, certificates: tuple[Certificate, ...], *, embed: bool) -> None:
    """Add the helper that trusts bound CA certificates at launch, with those to embed."""
    layer = layers / CERTIFICATES
    for folder in _LAUNCH_FOLDERS:
        shutil.copytree(
            Path(__file__).parents[2] / folder, layer / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    if embed and certificates:
        (layer / "certificates").mkdir()
        for number, certificate in enumerate(certificates):
            (layer / "certificates" / f"{number:03}.pem").write_text(certificate.pem, "utf-8")
        say(f"CA certificates: {count(len(certificates), 'file')} from bindings put into the image")
    elif certificates:
        say("CA certificates: those bound now stay out of the image; BP_EMBED_CERTS=true puts them in")
    write_launch_layer(layers, CERTIFICATES, {})


def _contribute_variables(layers: Path, files: Mapping[str, str]) -> None:
    if files:
        write_launch_environment(layers / VARIABLES, files)
        write_launch_layer(layers, VARIABLES, {})
        say(f"Launch environment: {', '.join(files)}")
    else:
        (layers / f"{VARIABLES}.toml").unlink(missing_ok=True)


def _describe_processes(processes: tuple[Process, ...]) -> None:
    for process in processes:
        default = " (default)" if process.type == DEFAULT_PROCESS else ""
        say(f"Process {process.type}{default}: {' '.join(process.command)}")


def main() -> int:
    """Run the build as the lifecycle calls it; return its exit status."""
    layers = Path(os.environ["CNB_LAYERS_DIR"])
    platform_dir = Path(os.environ["CNB_PLATFORM_DIR"])
    return exit_status(lambda: build(Path.cwd(), layers, platform_dir, os.environ), layers)


if __name__ == "__main__":
    sys.exit(main())
