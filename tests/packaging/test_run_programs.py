"""The programs that the buildpack lets a process start with are those of the run image."""

import json

from harness import engine

from nexusctl.workspace import ROOT

LOOK = """
import json, os
from nexus_python.programs import RUN_IMAGE
folders = ("/usr/local/bin", "/usr/bin", "/bin")
found = {name: [folder for folder in folders if name in os.listdir(folder)] for place in folders for name in os.listdir(place)}
print(json.dumps([RUN_IMAGE, found]))
"""


def test_known_programs_are_those_of_the_run_image(bases: None) -> None:  # noqa: ARG001  the image exists
    library = ROOT / "buildpacks" / "python" / "lib"
    mount = ("--volume", f"{library}:/library:ro", "--env", "PYTHONPATH=/library")

    known, found = json.loads(engine.docker("run", "--rm", *mount, "nexus/run", "python3", "-c", LOOK))

    assert known == found


def test_python_is_python3(bases: None) -> None:  # noqa: ARG001  the image exists
    answers = [engine.docker("run", "--rm", "nexus/run", name, "--version") for name in ("python", "python3")]

    assert answers[0] == answers[1]
