"""The engine goes away while an image is built: that is said, and the image's name still means the former image."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.clone import share_all
from harness.engine_proxy import proxied_engine
from harness.proofs import IMAGE_INPUTS, proof

from nexusctl import docker, images
from nexusctl.console import Steps
from nexusctl.workspace import load

pytestmark = proof("engine goes away", *IMAGE_INPUTS, "tests/harness/engine_proxy.py")
APP = load().apps[0]
ADVICE = "start it (as root: `systemctl start docker`), then run the same command again: what was finished is kept"
# A line of the build's own log after which there is still much to do.
UNDER_WAY = {"pack": "nexus/python", "dockerfile": "Step 8"}


@pytest.mark.parametrize("build_path", ["pack", "dockerfile"])
def test_image_that_was_not_finished_has_no_name(tree: Path, build_path: str) -> None:
    use_pack = build_path == "pack"
    images.build(Steps(), [APP.name], use_pack=use_pack)
    image = images.reference(APP, use_pack=use_pack)
    before = docker.image_id(image)
    share_all(tree)
    with (tree / "apps" / APP.name / "requirements.txt").open("a") as lock:
        lock.write("# so that packages are installed again\n")
    with proxied_engine() as proxy:
        option = "--pack" if use_pack else "--no-pack"
        environment = {"PYTHONPATH": str(tree / "tools"), "NO_COLOR": "1", "DOCKER_HOST": proxy.host}
        command = ["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "-m", "nexusctl"]
        with subprocess.Popen(
            [*command, "build", option, APP.name], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            wait_for(UNDER_WAY[build_path], tree / ".nexus" / "logs", process)
            proxy.cut()
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out.splitlines()[-1]) == (1, f"… {image}")
    what, found, advice = err.splitlines()
    assert (what, advice) == ("nexusctl: the Docker engine went away", f"  to do: {ADVICE}")
    assert found.startswith("  found: ")
    assert docker.image_id(image) == before


def wait_for(text: str, logs: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a log of a build has `text`."""
    while process.poll() is None:
        if any(text in path.read_text(errors="replace") for path in logs.glob(f"*-{APP.name}*.log")):
            return
        time.sleep(0.02)
    pytest.fail(f"the build ended before it came to {text!r}")
