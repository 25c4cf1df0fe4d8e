"""`nexusctl reproduce`: two builds from scratch, and a verdict on each image."""

import math
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

from nexusctl import images, shell
from nexusctl.console import Steps, out, table
from nexusctl.errors import NexusError
from nexusctl.reproduce.build import FIRST, SECOND, Build, started
from nexusctl.reproduce.compare import Verdict, compare

_PROGRAMS = ("docker", "dockerd", "git", "mmdebstrap", "newuidmap", "setpriv", "unshare")
_POLL_SECONDS = 0.5


def run(steps: Steps, names: Sequence[str]) -> bool:
    """Build the named services and flavours (all services if none is named) twice; print what came out.

    Returns:
        Whether all images have equal layers and an equal configuration.
    """
    images.select(names)
    _require_machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything started is removed
    started = time.monotonic()
    _show_circumstances()
    with tempfile.TemporaryDirectory(prefix="nexus-reproduce-", dir=os.environ.get("TMPDIR", "/var/tmp")) as scratch:
        verdicts = _build_and_compare(steps, names, Path(scratch))
    _show(verdicts, time.monotonic() - started)
    return not any(verdict.difference for verdict in verdicts)


def _require_machine() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NexusError(
            "two users and two Docker engines need root on Linux",
            f"this is user {os.geteuid()} on {sys.platform}",
            "run it as root: `sudo make reproduce`; the machine's own engine and images are left alone",
        )
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            raise shell.missing_program(program)


def _build_and_compare(steps: Steps, names: Sequence[str], scratch: Path) -> list[Verdict]:
    scratch.chmod(0o711)  # the second user passes through
    with ExitStack() as stack:
        builds: list[Build] = []
        with steps.step("two builds from cold"):
            for circumstances in (FIRST, SECOND):
                _wait(builds, circumstances.delay)
                builds.append(stack.enter_context(started(circumstances, scratch / circumstances.name, names)))
            _wait(builds, math.inf)
        with steps.step("comparison"):
            return compare((builds[0].engine, builds[1].engine), scratch)


def _wait(builds: Sequence[Build], seconds: float) -> None:
    """Wait until all builds are done, at most so long; raise NexusError as soon as one fails."""
    deadline = time.monotonic() + seconds
    while [build for build in builds if not build.is_done()] and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _show_circumstances() -> None:
    names = [field.name for field in fields(FIRST) if field.name != "name"]
    rows = [[name, str(getattr(FIRST, name)), str(getattr(SECOND, name))] for name in names]
    table("What differs between the builds", ("", FIRST.name, SECOND.name), rows)


def _show(verdicts: Sequence[Verdict], seconds: float) -> None:
    rows = [
        [item.image, str(item.layers), "same" if item.same_id else "other", "different" if item.difference else "equal"]
        for item in verdicts
    ]
    table("Images", ("image", "layers", "id", "verdict"), rows)
    different = [(item.image, item.difference) for item in verdicts if item.difference]
    for image, difference in different:
        out.print(f"{image}: {difference.what}", markup=False, soft_wrap=True)
        for line in difference.detail.splitlines():
            out.print(f"    {line}", markup=False, soft_wrap=True)
    out.print(f"{len(verdicts) - len(different)} of {len(verdicts)} images equal, {seconds / 60:.1f} minutes")
