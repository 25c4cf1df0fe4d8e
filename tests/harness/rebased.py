"""A clone of the tree whose app and run images have names of their own: what is rebased there leaves this tree's alone."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import engine
from harness.clone import Outcome, clone, edit, nexusctl, run, share_all_but_wheelhouse
from nexusctl import toolchain
from nexusctl.workspace import STATE, load

PREFIX = "nexus-test/rebase-"
BASE = f"{PREFIX}run"
PATCHED = f"{PREFIX}patched"
NAMES = [f"{PREFIX}{app.name}" for app in load().apps]
FLAVOUR = f"{NAMES[0]}:flavour"
OF_WORKERS = [f"{PREFIX}{flavour.name}" for flavour in load().flavours_of_workers]
IMAGES = [*(f"{name}:latest" for name in NAMES), FLAVOUR, *(f"{name}:latest" for name in OF_WORKERS)]
WIDE = {"COLUMNS": "200"}
"""Lets a printed table have each of its rows on one line."""
MARK = "/etc/patched"
"""A file that only the patched base has."""

_METADATA = "io.buildpacks.lifecycle.metadata"
_FLAVOURS = re.compile(r"^\[nexus\.flavours\..*?(?=^#)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Rebased:
    """What `nexusctl rebase --run-image` came to in a clone; `before` has the ids of all images, `base` that of theirs."""

    tree: Path
    before: dict[str, str]
    base: str
    outcome: Outcome


@contextmanager
def rebased_images(target: Path) -> Iterator[Rebased]:
    """Move the images of a clone onto a patched base, as an operator does."""
    with own_images(target) as tree:
        before, base = tagged(), engine.inspect(BASE)["Id"]
        patched_base(PATCHED)
        yield Rebased(tree, before, base, nexusctl(tree, "rebase", "--run-image", PATCHED, env=WIDE))


@contextmanager
def own_images(target: Path) -> Iterator[Path]:
    """Clone the tree to `target`, with copies of the images that pack has built, which stand on a copy of nexus/run."""
    tree = clone(target)
    share_all_but_wheelhouse(tree)
    for folder in (toolchain.BIN, toolchain.PACK_HOME, toolchain.LIFECYCLE.parent):
        shutil.copytree(folder, tree / ".nexus" / folder.relative_to(STATE), symlinks=True)
    _rename(tree / "project.toml")
    try:
        engine.docker("tag", "nexus/run", BASE)
        for app, name in zip(load().apps, NAMES, strict=True):
            _copy(app.image, name)
        _copy(load().apps[0].image, FLAVOUR)
        for flavour, name in zip(load().flavours_of_workers, OF_WORKERS, strict=True):
            _copy(flavour.name, name)
        yield tree
    finally:
        engine.remove_images(list(tagged()))


def _rename(project: Path) -> None:
    edit(project, '\n"nexus/run" =', f'\n"{BASE}" =')
    for app, name in zip(load().apps, NAMES, strict=True):
        table = f"[nexus.services.{app.name}]\n"
        edit(project, table, f'{table}image = "{name}"\nbase = "{BASE}"\n')
    flavours = {FLAVOUR: (load().apps[0].name, BASE)}
    for flavour in load().flavours:
        if not flavour.accelerator:  # of workers; there is no image of those of a profile, which stand on other bases
            name = f"{PREFIX}{flavour.name}"
            edit(project, f'image = "{flavour.name}"\n', f'image = "{name}"\n')
            flavours[name] = flavour.app, BASE if flavour in load().flavours_of_workers else flavour.run_image
    tables = (
        f'[nexus.flavours."{name}"]\napp = "{app}"\nrun-image = "{base}"\nbudget-mb = 1000\n\n'
        for name, (app, base) in flavours.items()
    )
    project.write_text(_FLAVOURS.sub("".join(tables), project.read_text()))


def tagged() -> dict[str, str]:
    """Return every image that has one of these names, with its id."""
    lines = engine.docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", f"{PREFIX}*")
    return dict(sorted(line.split() for line in lines.splitlines()))


def image(name: str, dockerfile: str, **files: str) -> str:
    """Build an image from a Dockerfile's text and programs beside it; return its id."""
    with tempfile.TemporaryDirectory() as folder:
        for path, content in {**files, "Dockerfile": dockerfile}.items():
            (Path(folder) / path).write_text(content)
            (Path(folder) / path).chmod(0o755)
        outcome = run(["docker", "build", "--quiet", "--tag", name, "."], Path(folder), {"DOCKER_BUILDKIT": "0"})
    assert outcome.status == 0, outcome.err
    return outcome.out.strip()


def patched_base(name: str) -> str:
    """Make the base that somebody else hands over, with a security fix; return its id."""
    return image(name, f"FROM {BASE}\nCOPY mark {MARK}\n", mark="patched\n")


def _copy(source: str, target: str) -> None:
    """Copy an image; what it says of its base is the base's name here. No layer is added."""
    metadata = json.loads(engine.inspect(f"{source}:latest")["Config"]["Labels"][_METADATA])
    metadata["runImage"]["image"] = metadata["stack"]["runImage"]["image"] = BASE
    image(target, f"FROM {source}\nLABEL {_METADATA}={json.dumps(json.dumps(metadata))}\n")
