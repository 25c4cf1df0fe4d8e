"""The parity tool catches what it is there for: images that differ from the real ones in one respect each.

Every mutations/NAME.Dockerfile makes such an image from the classification-service that pack built, and names the points
that must be different then, and no others.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import run
from harness.figures import Figures

from nexusctl import images
from nexusctl.console import Steps
from nexusctl.parity import allowances, behaviour
from nexusctl.parity import compare as comparing
from nexusctl.parity.compare import Pair, compare
from nexusctl.parity.facts import Verdict

APP = "classification-service"
FOLDER = Path(__file__).with_name("mutations")
MUTATIONS = sorted(path.stem for path in FOLDER.glob("*.Dockerfile"))
AT_ONCE = 14  # containers of one side: what a machine of 8 GB holds

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


def expected(name: str) -> set[str]:
    text = (FOLDER / f"{name}.Dockerfile").read_text()
    (points,) = re.findall(r"^# different: (.+)$", text, re.MULTILINE)
    return set(points.split(", "))


def build(name: str, tmp_path: Path) -> str:
    image = f"nexus-test/parity:{name}"
    file = FOLDER / f"{name}.Dockerfile"
    command = ["docker", "build", "--tag", image, "--file", file, "--build-arg", f"IMAGE={APP}:latest", tmp_path]
    outcome = run(command, tmp_path, {"DOCKER_BUILDKIT": "0"})
    assert outcome.status == 0, outcome.out + outcome.err
    return image


@pytest.fixture(scope="module")
def different(tag: str, tmp_path_factory: pytest.TempPathFactory, figures: Figures) -> Iterator[dict[str, set[str]]]:
    """The points that are different for each mutation, and for the image without one."""
    images.build(Steps(), [APP], use_pack=False)
    made = {"none": f"{APP}:{tag}"} | {name: build(name, tmp_path_factory.mktemp("context")) for name in MUTATIONS}
    found: dict[str, set[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "RESTARTS", 1)
        names = list(made)
        for first in range(0, len(names), AT_ONCE):
            found |= compared({name: made[name] for name in names[first : first + AT_ONCE]})
    caught = [name for name in MUTATIONS if found[name]]
    figures.add("mutated images that the parity tool catches", ">= 20, all", f"{len(caught)} of {len(MUTATIONS)}")
    yield found
    engine.remove_images([image for name, image in made.items() if name != "none"])


def compared(made: dict[str, str]) -> dict[str, set[str]]:
    right = f"{APP}:{images.DOCKERFILE_TAG}"
    sides = behaviour.plain("left", made), behaviour.plain("right", dict.fromkeys(made, right))
    pairs = [Pair(name, (image, right)) for name, image in made.items()]
    rows = compare(pairs, sides, allowances.load())
    return {
        pair.service: {row.point for row in of_pair if row.verdict == Verdict.DIFFERENT}
        for pair, of_pair in rows.items()
    }


def test_nothing_is_different_without_a_mutation(different: dict[str, set[str]]) -> None:
    assert different["none"] == set()


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(different: dict[str, set[str]], name: str) -> None:
    assert different[name] == expected(name)
