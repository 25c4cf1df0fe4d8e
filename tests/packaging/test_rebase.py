"""`nexusctl rebase`: a newer base image under what pack has built, all images or none, and a way back."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.builds import pack_build
from harness.clone import Outcome, nexusctl, run
from harness.engine_proxy import proxied_engine
from harness.figures import Figures
from harness.proofs import IMAGE_INPUTS, proof
from harness.rebased import (
    BASE,
    FLAVOUR,
    IMAGES,
    MARK,
    NAMES,
    PATCHED,
    WIDE,
    Rebased,
    image,
    own_images,
    patched_base,
    rebased_images,
    tagged,
)

from nexusctl import docker
from nexusctl.workspace import load

SOABI = "cpython-313-x86_64-linux-gnu"
FAILING_PACK = """\
#!/bin/sh
# The third image finds no room.
case "$*" in
    *"rebase {third}:"*) echo 'ERROR: saving image: write /var/lib/docker/layer: no space left on device'; exit 1 ;;
esac
exec {pack} "$@"
"""
pytestmark = [
    proof(
        "rebase", *IMAGE_INPUTS, "tools/nexusctl/rebase.py", "tests/harness/rebased.py", "tests/harness/engine_proxy.py"
    ),
    pytest.mark.usefixtures("tag"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


@pytest.fixture(scope="module")
def rebased(tag: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rebased]:
    assert tag == "latest"
    with rebased_images(tmp_path_factory.mktemp("rebased") / "nexus") as made:
        yield made


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A clone with images of its own, all built by pack on one base."""
    with own_images(tmp_path / "nexus") as tree:
        yield tree


def layers(reference: str) -> list[str]:
    found: list[str] = engine.inspect(reference)["RootFS"]["Layers"]
    return found


def short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def rows(output: str) -> list[list[str]]:
    """Return the cells of the printed table."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in output.splitlines() if line[:1] == "│"]


def previous(reference: str) -> str:
    return f"{reference}-previous" if reference == FLAVOUR else reference.replace(":latest", ":previous")


def application_layers(rebased: Rebased, reference: str) -> list[str]:
    """Return what an image had above its base before it was moved."""
    return layers(rebased.before[reference])[len(layers(rebased.base)) :]


class TestOntoABaseThatWasHandedOver:
    def test_application_layers_keep_their_digests(self, rebased: Rebased) -> None:
        assert (rebased.outcome.status, rebased.outcome.err) == (0, "")
        expected = {reference: layers(PATCHED) + application_layers(rebased, reference) for reference in IMAGES}
        assert {reference: layers(reference) for reference in IMAGES} == expected
        assert {len(application_layers(rebased, reference)) for reference in IMAGES} == {8}

    def test_table_tells_what_was_moved(self, rebased: Rebased, figures: Figures) -> None:
        printed = rows(rebased.outcome.out)
        now = short(engine.inspect(PATCHED)["Id"])
        assert [row[:4] for row in printed] == [[reference, short(rebased.base), now, "8"] for reference in IMAGES]
        seconds = sum(float(row[4]) for row in printed[: len(NAMES)])
        figures.note("rebase of the images of all apps", f"{seconds:.1f} s")

    def test_former_images_have_a_tag_to_go_back_to(self, rebased: Rebased) -> None:
        former = {previous(reference): rebased.before[reference] for reference in IMAGES}
        assert {reference: engine.inspect(reference)["Id"] for reference in former} == former

    def test_nothing_else_is_left(self, rebased: Rebased) -> None:
        assert rebased.outcome.status == 0
        bases = [f"{BASE}:latest", f"{PATCHED}:latest"]
        assert sorted(tagged()) == sorted([*bases, *IMAGES, *map(previous, IMAGES)])

    def test_second_run_finds_them_there(self, rebased: Rebased) -> None:
        before = tagged()
        outcome = nexusctl(rebased.tree, "rebase", "--run-image", PATCHED, env=WIDE)
        now = short(before[f"{PATCHED}:latest"])
        assert (outcome.status, outcome.err) == (0, "")
        assert rows(outcome.out) == [[reference, now, now, "8", "already there"] for reference in IMAGES]
        assert tagged() == before

    def test_base_stays_when_base_images_are_asked_for_again(self, rebased: Rebased) -> None:
        program = (
            "from nexusctl import base_images; from nexusctl.console import Steps; from nexusctl.workspace import load; "
            f"base_images.build(Steps(), (load().base('{BASE}'),))"
        )
        made = run([sys.executable, "-c", program], rebased.tree, {"PYTHONPATH": str(rebased.tree / "tools")})
        assert made == Outcome(0, "", "")
        assert tagged()[f"{BASE}:latest"] == tagged()[f"{PATCHED}:latest"]

    def test_build_on_that_base_keeps_every_layer(self, rebased: Rebased, scratch_image: str) -> None:
        assert rebased.outcome.status == 0
        engine.docker("tag", NAMES[0], scratch_image)
        outcome = pack_build(scratch_image, load().apps[0].folder, "--run-image", BASE)
        assert outcome.status == 0, outcome.out + outcome.err
        assert layers(scratch_image) == layers(NAMES[0])


def test_base_is_made_from_debian_packages_of_today(tree: Path) -> None:
    former, base = {reference: layers(reference) for reference in IMAGES}, layers(BASE)
    with (tree / "docker" / "base" / "run.setup").open("a") as recipe:
        recipe.write(f"echo patched > .{MARK}\n")  # stands for a package that Debian has mended
    outcome = nexusctl(tree, "rebase")
    assert (outcome.status, outcome.err) == (0, "")
    assert layers(BASE) != base
    expected = {reference: layers(BASE) + former[reference][len(base) :] for reference in IMAGES}
    assert {reference: layers(reference) for reference in IMAGES} == expected
    read = f"print(open('{MARK}').read(), end='')"
    assert engine.docker("run", "--rm", "--entrypoint", "python3", NAMES[0], "-c", read) == "patched"


def test_disk_that_fills_up_leaves_every_image_as_it_was(tree: Path) -> None:
    patched_base(PATCHED)
    before = tagged()
    pack = tree / ".nexus" / "bin" / "pack"
    real = pack.rename(pack.with_name("pack-itself"))
    pack.write_text(FAILING_PACK.format(third=NAMES[2], pack=real))
    pack.chmod(0o755)
    outcome = nexusctl(tree, "rebase", "--run-image", PATCHED)
    log = f".nexus/logs/rebase-{NAMES[2].replace('/', '-')}-latest.log"
    assert outcome.status == 1
    assert outcome.err == (
        "nexusctl: the disk is full\n"
        "  found: ERROR: saving image: write /var/lib/docker/layer: no space left on device\n"
        f"    (all of it: {log})\n"
        "  to do: free some space (`docker system df` shows what images hold), then run the same command again\n"
    )
    assert tagged() == before


def test_engine_that_goes_away_leaves_every_image_as_it_was(tree: Path) -> None:
    patched_base(PATCHED)
    before = tagged()
    with proxied_engine() as proxy:
        command = [sys.executable, "-m", "nexusctl", "rebase", "--run-image", PATCHED]
        environment = {"PYTHONPATH": str(tree / "tools"), "NO_COLOR": "1", "DOCKER_HOST": proxy.host}
        with subprocess.Popen(
            ["env", *(f"{name}={value}" for name, value in environment.items()), *command],
            cwd=tree,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while process.poll() is None and docker.image_id(f"{NAMES[0]}:latest-rebasing") is None:
                time.sleep(0.01)
            proxy.cut()
            _, err = process.communicate()
    what, found, remedy = err.splitlines()
    assert (process.returncode, what) == (1, "nexusctl: the Docker engine went away")
    assert found.startswith("  found: ")
    assert remedy == (
        "  to do: start it (as root: `systemctl start docker`), then run the same command again: what was finished is kept"
    )
    assert {name: image_id for name, image_id in tagged().items() if name in before} == {
        **before,
        f"{BASE}:latest": tagged()[f"{PATCHED}:latest"],
    }
    again = nexusctl(tree, "rebase", "--run-image", PATCHED)
    assert (again.status, again.err) == (0, "")
    assert sorted(tagged()) == sorted([*before, *map(previous, IMAGES)])


def refused(tree: Path, *arguments: str) -> str:
    """Return the message of a rebase that has changed nothing."""
    before = tagged()
    outcome = nexusctl(tree, "rebase", *arguments)
    assert (outcome.status, outcome.out) == (1, "")
    assert tagged() == before
    return outcome.err


def test_base_that_is_not_here(tree: Path) -> None:
    assert refused(tree, "--run-image", "nexus-test/never-made") == (
        "nexusctl: nexus-test/never-made cannot be the base image\n"
        "  found: no such image\n"
        "  to do: load it (`docker load --input FILE`) or pull it, then run the same command again\n"
    )


@pytest.mark.parametrize(
    ("dockerfile", "fault"),
    [
        (
            "COPY python3 /usr/local/bin/\n",
            f"Python is cpython-314-x86_64-linux-gnu, and the images need {SOABI}",
        ),
        ("USER 1000:1000\n", "user is 1000:1000, and the images need 10001:10001"),
        ("USER root\n", "user is root, and the images need 10001:10001"),
        (
            'LABEL io.buildpacks.base.distro.version="14"\n',
            "label io.buildpacks.base.distro.version is 14, and the images need 13",
        ),
        ("HEALTHCHECK NONE\n", "health check is NONE, and the images need CMD /usr/local/bin/health-probe"),
    ],
    ids=["another Python", "another user", "root", "another Debian", "no health check"],
)
def test_base_that_does_not_fit(tree: Path, dockerfile: str, fault: str) -> None:
    image(
        PATCHED, f"FROM {BASE}\n{dockerfile}", python3="#!/usr/bin/python3.13\nprint('cpython-314-x86_64-linux-gnu')\n"
    )
    assert refused(tree, "--run-image", PATCHED) == (
        f"nexusctl: {PATCHED} cannot be the base image\n"
        f"  found: {fault}\n"
        "  to do: use a base of the same kind, or change docker/base and build the images for the new one (`make build`)\n"
    )


def test_base_of_quite_another_kind(tree: Path) -> None:
    image(PATCHED, "FROM scratch\nCOPY file /\n", file="")
    assert refused(tree, "--run-image", PATCHED) == (
        f"nexusctl: {PATCHED} cannot be the base image\n"
        "  found: label io.buildpacks.base.distro.name is none, and the images need debian\n"
        "         label io.buildpacks.base.distro.version is none, and the images need 13\n"
        "         user is root, and the images need 10001:10001\n"
        "         health check is none, and the images need CMD /usr/local/bin/health-probe\n"
        f"         Python is none, and the images need {SOABI}\n"
        "  to do: use a base of the same kind, or change docker/base and build the images for the new one (`make build`)\n"
    )


def test_image_that_was_never_built(tree: Path) -> None:
    engine.remove_images([NAMES[2]])
    assert refused(tree) == (
        f"nexusctl: {NAMES[2]}:latest cannot be moved onto another base image\n"
        "  found: no such image\n"
        "  to do: run `make build`: its images are based on the newest nexus/run\n"
    )


def test_image_of_a_dockerfile(tree: Path) -> None:
    image(NAMES[1], f"FROM {BASE}\n")
    assert refused(tree) == (
        f"nexusctl: {NAMES[1]}:latest cannot be moved onto another base image\n"
        "  found: it was not built by pack: it has no label io.buildpacks.lifecycle.metadata\n"
        "  to do: build it with pack (`make build`); images of Dockerfiles are built again (`make build PACK=0`)\n"
    )
