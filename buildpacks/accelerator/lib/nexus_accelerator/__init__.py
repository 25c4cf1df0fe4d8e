"""The nexus/accelerator buildpack: for applications that ask for an accelerator by BP_NEXUS_ACCELERATOR."""

import os
import sys
from pathlib import Path

VERSION = "0.1.0"
VARIABLE = "BP_NEXUS_ACCELERATOR"
VALUES = ("cpu", "cuda")
CUDA_WHEELHOUSE = Path("/wheels-cuda")

PASS = 0
FAIL = 100


def detect() -> int:
    """Return 0 if the application asks for an accelerator, 100 if not."""
    if os.environ.get(VARIABLE):
        return PASS
    _say(f"nexus/accelerator takes no part: {VARIABLE} is not set")
    return FAIL


def build() -> int:
    """Contribute what the accelerator needs; return the exit status."""
    _say(f"nexus/accelerator {VERSION}")
    value = os.environ[VARIABLE]
    if value == "cpu":
        _say(f"  {VARIABLE}=cpu: nothing is added, the packages of the lock run on the CPU")
        return 0
    if value == "cuda":
        return refuse_cuda(CUDA_WHEELHOUSE)
    return _fail(
        f"{VARIABLE} has a value that it doesn't take",
        f"{VARIABLE} must be one of: {', '.join(VALUES)}.",
        f"{VARIABLE}={value}",
        "Correct the value, or remove the variable to build for the CPU.",
    )


def refuse_cuda(wheelhouse: Path) -> int:
    """Say that this builder cannot make a CUDA image, and what it has; return the exit status."""
    found = f"wheels in {wheelhouse}: {len(list(wheelhouse.glob('*.whl')))}"
    return _fail(
        "This builder carries no CUDA libraries",
        f"{VARIABLE}=cuda asks for a layer of CUDA wheels, which this version ({VERSION}) of the buildpack doesn't make.",
        found,
        f"Build for the CPU: remove {VARIABLE}, or set it to cpu.",
    )


def _fail(title: str, happened: str, found: str, todo: str) -> int:
    sections = {"What happened": happened, "What was found": found, "What to do": todo}
    body = "".join(f"\n{heading}\n  {text}\n" for heading, text in sections.items())
    sys.stderr.write(f"\nERROR: {title}\n{body}")
    return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
