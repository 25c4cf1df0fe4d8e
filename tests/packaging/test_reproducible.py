"""The same source gives the same image, to the byte: two cold builds, nothing shared between them."""

import time

import pytest
from harness import engine
from harness.builds import pack_build
from harness.figures import Figures

from nexusctl import docker
from nexusctl.workspace import Service, load

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


@pytest.mark.usefixtures("tag")
@pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)
def test_two_cold_builds_give_one_image_id(app: Service, scratch_image: str, figures: Figures) -> None:
    started = time.monotonic()
    ids = [cold_build(app, scratch_image) for _ in range(2)]
    figures.add(f"two cold pack builds of {app.name}", "same id", "same id" if len(set(ids)) == 1 else " ".join(ids))
    figures.add(f"cold pack build of {app.name}, mean of two", "", f"{(time.monotonic() - started) / 2:.1f} s")
    assert ids[0] == ids[1]


def cold_build(app: Service, image: str) -> str:
    """Build with neither cache nor former image; return the id, and remove all that was made."""
    outcome = pack_build(image, app.folder, "--clear-cache")
    assert outcome.status == 0, outcome.out + outcome.err
    made = docker.image_id(image)
    assert made is not None
    engine.remove_images([image])
    engine.remove_volumes(image.replace("/", "_"))
    return made
