"""Runs the scripts of benchmarks, whose output tests read."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def output_of(script: Path, *arguments: str, paths: Sequence[Path] = ()) -> str:
    """Return what a script prints, and print it; it may import modules of `paths` too."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), *sys.path])}
    done = subprocess.run(  # noqa: S603 - a script of the project
        [sys.executable, str(script), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sys.stdout.write(f"{done.stdout}\n")
    return done.stdout
