"""The build phase: the layer of CUDA libraries, and the helper that chooses the device when a container starts."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from nexus_python import errors
from nexus_python.install import SITE_PACKAGES, exit_status
from nexus_python.layers import write_launch_layer
from nexus_python.output import say
from nexus_python.packages_layer import contribute_packages

from nexus_accelerator import VARIABLE, VERSION, cuda

VALUES = ("cpu", "cuda")  # with the first, bin/build is done before it comes here
LIBRARIES = "cuda"
HELPER = "device"


def build(layers: Path, environ: Mapping[str, str]) -> None:
    """Contribute the libraries of the accelerator that the application asks for.

    Raises:
        BuildError: there is no such accelerator, or its libraries cannot be installed.
    """
    say(f"nexus/accelerator {VERSION}", depth=0)
    value = environ[VARIABLE]
    if value not in VALUES:
        raise errors.unknown_value(VARIABLE, value, VALUES)
    # Behind the application's own packages: those win.
    search = {"PYTHONPATH.append": str(layers / LIBRARIES / SITE_PACKAGES), "PYTHONPATH.delim": ":"}
    contribute_packages(layers, LIBRARIES, cuda.install_plan(), environ, search)
    _contribute_helper(layers)


def _contribute_helper(layers: Path) -> None:
    source = Path(__file__).parents[2] / "exec.d" / HELPER
    target = layers / HELPER / "exec.d" / HELPER
    target.parent.mkdir(parents=True)
    shutil.copy(source, target)
    write_launch_layer(layers, HELPER, {})


def main() -> int:
    """Run the build as the lifecycle calls it; return its exit status."""
    layers = Path(os.environ["CNB_LAYERS_DIR"])
    return exit_status(lambda: build(layers, os.environ), layers)
