"""A launch layer of packages: newly installed, or the previous image's where it would be the same."""

import hashlib
import platform
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from nexus_python.install import BILL, SCRIPTS, InstallPlan, install
from nexus_python.layers import previous_metadata, write_launch_environment, write_launch_layer
from nexus_python.output import say
from nexus_python.tidy import describe_strip

_TARGET = ("CNB_TARGET_OS", "CNB_TARGET_ARCH", "CNB_TARGET_DISTRO_NAME", "CNB_TARGET_DISTRO_VERSION", "CNB_STACK_ID")
_PROGRAMS = "programs"


def contribute_packages(
    layers: Path, name: str, plan: InstallPlan, environ: Mapping[str, str], launch_environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Install `plan` into the layer `name`, unless the previous image has a layer made from just the same.

    `launch_environment` holds the files of its env.launch folder, name to content.

    Returns:
        The names of the programs in the layer's folder `bin`.

    Raises:
        BuildError: something cannot be installed.
    """
    key = _layer_key(plan, environ)
    bill = layers / f"{name}.sbom.cdx.json"
    previous = previous_metadata(layers, name)
    # The layer itself stays in the previous image: what it holds is known by its metadata alone.
    programs = previous.pop(_PROGRAMS, None)
    if previous == key and isinstance(programs, list) and bill.is_file():
        say("Packages: taken from the previous image, as neither lock nor Python changed")
    else:
        install(plan, layers / name)
        write_launch_environment(layers / name, launch_environment)
        shutil.copy(layers / name / BILL, bill)
        programs = sorted(path.name for path in (layers / name / SCRIPTS).glob("*"))
    write_launch_layer(layers, name, key | {_PROGRAMS: programs})
    return tuple(programs)


def _layer_key(plan: InstallPlan, environ: Mapping[str, str]) -> dict[str, str | list[str]]:
    """Return everything that the content of the layer depends on."""
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
