"""The build phase: layers and processes from the lock, the settings and the Procfile."""

import hashlib
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from nexus_python import __version__, errors
from nexus_python.bindings import Certificate, find_certificates
from nexus_python.constraints import InvalidConstraintError, satisfies
from nexus_python.install import BILL, SITE_PACKAGES, InstallPlan, as_build_error, finish_app, install, read_locks
from nexus_python.layers import (
    previous_metadata,
    write_launch,
    write_launch_environment,
    write_launch_layer,
)
from nexus_python.output import count, say
from nexus_python.pip_install import describe_python
from nexus_python.procfile import DEFAULT_PROCESS, Process, read_procfile
from nexus_python.settings import Settings, read_settings, resolve_find_links
from nexus_python.tidy import describe_strip

# The launcher applies layers in the order of their names: what the application sets in `variables` comes last.
CERTIFICATES = "ca-certificates"
PACKAGES = "packages"
VARIABLES = "variables"

_PYTHON_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE.default": "1",  # the bytecode is in the image, whose root is read-only
    "PYTHONUNBUFFERED.default": "1",
    "PYTHONPATH.delim": ":",
}
_TARGET = ("CNB_TARGET_OS", "CNB_TARGET_ARCH", "CNB_TARGET_DISTRO_NAME", "CNB_TARGET_DISTRO_VERSION", "CNB_STACK_ID")


def build(app: Path, layers: Path, platform_dir: Path, environ: Mapping[str, str]) -> None:
    """Turn the application in `app` into launch layers, processes and labels under `layers`.

    Everything that can be wrong in the application is checked before anything is installed.

    Raises:
        BuildError: something is.
    """
    say(f"nexus/python {__version__}", depth=0)
    settings = read_settings(environ)
    _note_ignored(settings)
    _check_python(settings.python)
    processes = read_procfile(app)
    plan = InstallPlan(
        read_locks(app, settings.requirements), resolve_find_links(app, settings.find_links), settings.prune
    )
    certificates = find_certificates(environ, platform_dir)
    _contribute_packages(layers, plan, environ)
    finish_app(app)
    _contribute_certificates(layers, certificates, embed=settings.embed_certificates)
    _contribute_variables(layers, settings.launch_environment)
    write_launch(layers, processes, settings.labels)
    _describe_processes(processes)


def _note_ignored(settings: Settings) -> None:
    for name in settings.ignored:
        say(f"Note: {name} is not read by this builder's buildpacks and changes nothing")


def _check_python(constraint: str) -> None:
    version = sys.version_info[:3]
    if not constraint:
        say(describe_python())
        return
    try:
        satisfied = satisfies(version, constraint)
    except InvalidConstraintError as error:
        raise errors.invalid_constraint(constraint) from error
    if not satisfied:
        raise errors.wrong_python(constraint, platform.python_version())
    say(f"{describe_python()}, as BP_CPYTHON_VERSION={constraint} asks")


def _contribute_packages(layers: Path, plan: InstallPlan, environ: Mapping[str, str]) -> None:
    """Install the packages, unless the previous image has a layer made from just the same."""
    key = _layer_key(plan, environ)
    bill = layers / f"{PACKAGES}.sbom.cdx.json"
    if previous_metadata(layers, PACKAGES) == key and bill.is_file():
        say("Packages: taken from the previous image, as neither lock nor Python changed")
        write_launch_layer(layers, PACKAGES, key)
        return
    layer = layers / PACKAGES
    install(plan, layer)
    write_launch_environment(layer, _PYTHON_ENVIRONMENT | {"PYTHONPATH.prepend": str(layer / SITE_PACKAGES)})
    shutil.copy(layer / BILL, bill)
    write_launch_layer(layers, PACKAGES, key)


def _layer_key(plan: InstallPlan, environ: Mapping[str, str]) -> dict[str, str | list[str]]:
    """Return everything that the content of the packages layer depends on."""
    return {
        "locks": [lock.sha256 for lock in plan.locks],
        "python": platform.python_version(),
        "soabi": str(sysconfig.get_config_var("SOABI")),
        "target": " ".join(environ.get(name, "-") for name in _TARGET),
        "prune": list(plan.prune),
        "strip": describe_strip(),
        "installer": _installer_digest(),
    }


def _installer_digest() -> str:
    """Return the SHA-256 of this package's own files: what it does may change while its version stays."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _contribute_certificates(layers: Path, certificates: tuple[Certificate, ...], *, embed: bool) -> None:
    """Add the helper that trusts bound CA certificates at launch, with those to embed."""
    layer = layers / CERTIFICATES
    helper = Path(__file__).parents[2] / "exec.d" / CERTIFICATES
    (layer / "exec.d").mkdir(parents=True)
    shutil.copy(helper, layer / "exec.d" / CERTIFICATES)
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
    os.umask(0o022)
    try:
        build(Path.cwd(), layers, Path(os.environ["CNB_PLATFORM_DIR"]), os.environ)
    except errors.BuildError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except OSError as error:
        if (full := as_build_error(error, layers)) is None:
            raise
        sys.stderr.write(f"\n{full}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
