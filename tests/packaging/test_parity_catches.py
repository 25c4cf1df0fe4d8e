"""The parity tool catches what it is there for: images that differ from the real ones in one respect each.

Every mutations/NAME.Dockerfile makes such an image from the classification-service that pack built, and names the points
that must be different then, and no others.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import engine
from harness.clone import run
from harness.figures import Figures
from harness.proofs import IMAGE_INPUTS, proof

from nexusctl import images
from nexusctl.console import Steps
from nexusctl.parity import allowances, behaviour
from nexusctl.parity import compare as comparing
from nexusctl.parity.compare import Pair, compare_contents
from nexusctl.parity.facts import Row, Verdict

APP = "classification-service"
RIGHT = f"{APP}:{images.DOCKERFILE_TAG}"
FOLDER = Path(__file__).with_name("mutations")
MUTATIONS = sorted(path.stem for path in FOLDER.glob("*.Dockerfile"))
PROCESSORS = 2
AT_ONCE = 14  # containers of one side: what a machine of 8 GB holds

pytestmark = [
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
    proof(
        "parity catches",
        *IMAGE_INPUTS,
        "tools/nexusctl/parity",
        "tests/packaging/mutations",
        "tests/packaging/parity-allow.toml",
    ),
]


def expected(name: str) -> set[str]:
    text = (FOLDER / f"{name}.Dockerfile").read_text()
    (points,) = re.findall(r"^# different: (.+)$", text, re.MULTILINE)
    return set(points.split(", "))


def build(name: str, context: Path) -> str:
    image = f"nexus-test/parity:{name}"
    file = FOLDER / f"{name}.Dockerfile"
    what: list[str | Path] = ["--tag", image, "--file", file, "--build-arg", f"IMAGE={APP}:latest", context]
    outcome = run(["docker", "build", *what], context, {"DOCKER_BUILDKIT": "0"})
    assert outcome.status == 0, outcome.out + outcome.err
    return image


@pytest.fixture(scope="module")
def different(tag: str, tmp_path_factory: pytest.TempPathFactory, figures: Figures) -> Iterator[dict[str, set[str]]]:
    """The points that are different for each mutation, and for the image without one."""
    images.build(Steps(), [APP], use_pack=False)
    context = tmp_path_factory.mktemp("context")
    with ThreadPoolExecutor(PROCESSORS) as pool:
        made = list(pool.map(lambda name: build(name, context), MUTATIONS))
        pairs = {name: Pair(name, (image, RIGHT)) for name, image in zip(MUTATIONS, made, strict=True)}
        found = dict(zip(pairs, pool.map(differing_contents, pairs.values()), strict=True))
    # Those that are to be caught by what they do, and the one that is not to be caught.
    runs = [pair for name, pair in pairs.items() if expected(name) != found[name]]
    runs.append(Pair("none", (f"{APP}:{tag}", RIGHT)))
    for first in range(0, len(runs), AT_ONCE):
        found |= run_and_compare(runs[first : first + AT_ONCE])
    caught = [name for name in MUTATIONS if found[name]]
    figures.at_least("mutated images that the parity tool catches", len(caught), len(MUTATIONS))
    yield found
    engine.remove_images(made)


def differing_contents(pair: Pair) -> set[str]:
    return points(compare_contents(pair, allowances.load().begin(pair.images[0])))


def run_and_compare(pairs: list[Pair]) -> dict[str, set[str]]:
    sides = (
        behaviour.plain("left", {pair.service: pair.images[0] for pair in pairs}),
        behaviour.plain("right", {pair.service: pair.images[1] for pair in pairs}),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "STARTS", 1)
        rows = comparing.compare(pairs, sides, allowances.load())
    return {pair.service: points(of_pair) for pair, of_pair in rows.items()}


def points(rows: list[Row]) -> set[str]:
    return {row.point for row in rows if row.verdict == Verdict.DIFFERENT}


def test_nothing_is_different_without_a_mutation(different: dict[str, set[str]]) -> None:
    assert different["none"] == set()


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(different: dict[str, set[str]], name: str) -> None:
    assert different[name] == expected(name)
