"""Flavours, built on the path that is tested, and programs in their images."""

from pathlib import Path

import pytest

from harness.clone import Outcome, run
from nexusctl import images, wheels
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, Flavour

HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108 # in the container


def build(flavour: Flavour, build_path: str) -> str:
    """Build a flavour and return its image; skip the test where that would fetch the CUDA wheels."""
    if flavour.accelerator and not (wheels.WHEELS / "cuda").exists():
        pytest.skip("the wheels of the CUDA libraries, 2.4 GB, are fetched by `make image-cuda` alone")
    images.build(Steps(), [flavour.name], use_pack=build_path == "pack")
    return images.flavour_reference(flavour, use_pack=build_path == "pack")


def python(image: str, build_path: str, *arguments: str, mounts: dict[Path, str]) -> Outcome:
    """Run Python with the environment that the image's processes have, and files of this tree at places of their own."""
    start = ["--entrypoint", "launcher", image, "--", "python3"] if build_path == "pack" else [image, "python3"]
    volumes = [part for path, place in mounts.items() for part in ("--volume", f"{path}:{place}:ro")]
    return run(["docker", "run", "--rm", *HARDENED, "--network", "none", *volumes, *start, *arguments], ROOT)
