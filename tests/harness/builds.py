"""Image builds by both paths, outside the tree's own images."""

from pathlib import Path

from harness.clone import Outcome, run
from nexusctl import toolchain
from nexusctl.workspace import ROOT


def pack_build(image: str, folder: Path, *options: str) -> Outcome:
    """Build an app's folder with pack, as the README does."""
    with toolchain.pack_environment() as variables:
        return run(["pack", "build", image, "--path", folder, *options], ROOT, variables)


def dockerfile_build(image: str, app: str, tree: Path) -> Outcome:
    """Build docker/Dockerfile.<app> of a tree, with the builder that every engine has."""
    dockerfile = tree / "docker" / f"Dockerfile.{app}"
    return run(["docker", "build", "--tag", image, "--file", dockerfile, tree], tree, {"DOCKER_BUILDKIT": "0"})


def message(output: str) -> str:
    """Return the one message of our installer in a build's output: from ERROR to the end of what to do."""
    start = output.index("ERROR: ")
    lines = output[start:].splitlines()
    end = lines.index("What to do") + 1
    while end < len(lines) and lines[end].startswith("  "):
        end += 1
    return "\n".join(lines[:end])
