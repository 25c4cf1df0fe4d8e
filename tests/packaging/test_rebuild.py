"""How long a change of code alone takes until there is a new image."""

import time
from pathlib import Path
from uuid import uuid4

from harness import engine
from harness.builds import dockerfile_build, pack_build
from harness.clone import Outcome
from harness.figures import Figures

from nexusctl.workspace import Service

MAX_SECONDS = 5


def build(image: str, app: Service, tree: Path, build_path: str) -> Outcome:
    if build_path == "pack":
        return pack_build(image, tree / "apps" / app.name)
    return dockerfile_build(image, app.name, tree)


def test_code_change_is_in_the_image_soon(
    smallest: Service, tree: Path, build_path: str, scratch_image: str, figures: Figures
) -> None:
    assert build(scratch_image, smallest, tree, build_path).status == 0
    change = uuid4().hex  # never seen before, so that no cache has it
    module = smallest.name.replace("-", "_")
    with (tree / "apps" / smallest.name / module / "__init__.py").open("a") as stream:
        stream.write(f"\nCHANGED = {change!r}\n")
    started = time.monotonic()
    outcome = build(scratch_image, smallest, tree, build_path)
    assert outcome.status == 0, outcome.out + outcome.err
    figures.seconds(f"code-only rebuild of {smallest.name}, {build_path}", time.monotonic() - started, MAX_SECONDS)
    code = f"import {module}; print({module}.CHANGED)"
    assert engine.docker("run", "--rm", "--entrypoint", "python3", scratch_image, "-c", code) == change
