"""The CUDA libraries: torch and what it needs of NVIDIA's, by the lock and the prune list in the folder `cuda`.

    python3 -m nexus_accelerator.cuda DIR

installs them into the new folder DIR just as the buildpack does into its layer. Every file is dated SOURCE_DATE_EPOCH.
"""

import os
import sys
from pathlib import Path

from nexus_python.errors import BuildError
from nexus_python.install import InstallPlan, exit_status, install, read_locks
from nexus_python.tidy import set_dates

from nexus_accelerator import VARIABLE

WHEELHOUSE = Path("/wheels-cuda")

_DEFINITION = Path(__file__).parents[2] / "cuda"
_LOCK = "requirements.txt"
_PRUNE = "prune"


def install_plan(wheelhouse: Path = WHEELHOUSE) -> InstallPlan:
    """Return what to install from the wheels in `wheelhouse`.

    Raises:
        BuildError: there are no wheels.
    """
    if not any(wheelhouse.glob("*.whl")):
        raise _no_wheels(wheelhouse)
    lines = (_DEFINITION / _PRUNE).read_text("utf-8").splitlines()
    globs = tuple(line for line in lines if line and not line.startswith("#"))
    return InstallPlan(read_locks(_DEFINITION, (_LOCK,)), (wheelhouse,), globs)


def _no_wheels(wheelhouse: Path) -> BuildError:
    return BuildError(
        "There are no CUDA wheels",
        happened=f"{VARIABLE}=cuda asks for the layer of CUDA libraries. Their wheels are not part of the builder.",
        found=f"no wheel in {wheelhouse}",
        todo=(
            f"Run `make image-cuda`, which fetches them, or give the build a folder that has them:\n"
            f"  pack build ... --volume FOLDER:{wheelhouse}:ro\n"
            f"To build for the CPU, remove {VARIABLE} or set it to cpu."
        ),
    )


def _install(target: Path) -> None:
    install(install_plan(), target)
    set_dates(target, int(os.environ["SOURCE_DATE_EPOCH"]))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.exit(exit_status(lambda: _install(folder), folder))
