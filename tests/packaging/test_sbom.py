"""Bills of materials of the real images: both paths have the same, they are true, and the licences in NOTICE are theirs."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from harness import engine
from harness.clone import Outcome, nexusctl, run
from harness.figures import Figures
from harness.proofs import IMAGE_INPUTS, proof
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from nexusctl import images, toolchain, wheels
from nexusctl.console import Steps
from nexusctl.sbom import command, notice
from nexusctl.workspace import ROOT, Flavour, Service, load

OF_PYTHON: list[Service | Flavour] = [*load().apps, *load().flavours_of_workers]
RUN: list[Service | Flavour] = [*load().services, *load().flavours_of_workers]
EACH_OF_PYTHON = pytest.mark.parametrize("made", OF_PYTHON, ids=lambda made: made.name)
Document = dict[str, Any]

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def documents(tag: str, tmp_path_factory: pytest.TempPathFactory, figures: Figures) -> dict[str, Document]:
    """By image name what `nexusctl sbom` writes of all images of both paths."""
    assert tag == "latest"
    images.build(Steps(), [made.name for made in OF_PYTHON], use_pack=False)
    folder = tmp_path_factory.mktemp("sbom")
    started = time.monotonic()
    outcome = sbom("--output", folder)
    figures.note("nexusctl sbom, all images of both paths", engine.seconds(started))
    assert (outcome.status, outcome.err) == (0, "")
    written = [json.loads(path.read_text()) for path in folder.iterdir()]
    return {document["metadata"]["component"]["name"]: document for document in written}


def reference(made: Service | Flavour, *, use_pack: bool = True) -> str:
    """Return the image name of an app or a flavour."""
    if isinstance(made, Flavour):
        return images.flavour_reference(made, use_pack=use_pack)
    return images.reference(made, use_pack=use_pack)


def sbom(*arguments: str | Path) -> Outcome:
    return nexusctl(ROOT, "sbom", *map(str, arguments))


def listed(document: Document, kind: str) -> dict[str, str]:
    """Return name -> version of the components whose package URL is of that kind, `deb` or `pypi`."""
    found = [PackageURL.from_string(component["purl"]) for component in document["components"]]
    assert [purl.to_string() for purl in found] == [component["bom-ref"] for component in document["components"]]
    return {purl.name: purl.version or "" for purl in found if purl.type == kind}


def test_every_image_has_its_document(documents: dict[str, Document]) -> None:
    expected = {reference(made, use_pack=pack) for made in RUN for pack in (True, False)}
    assert expected <= documents.keys() <= set(images.references())


def test_documents_are_valid(documents: dict[str, Document]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_5)
    faults = {name: validator.validate_str(json.dumps(document)) for name, document in documents.items()}
    assert {name: fault for name, fault in faults.items() if fault} == {}


@EACH_OF_PYTHON
def test_both_paths_list_the_same_components(made: Service | Flavour, documents: dict[str, Document]) -> None:
    pack, dockerfile = (documents[reference(made, use_pack=use_pack)] for use_pack in (True, False))
    assert pack["components"] == dockerfile["components"]


@EACH_OF_PYTHON
def test_components_are_what_the_recipe_and_the_lock_name(
    made: Service | Flavour, documents: dict[str, Document]
) -> None:
    document = documents[reference(made)]
    recipe = (ROOT / "docker" / "base" / "run.packages").read_text().split()
    assert list(listed(document, "deb")) == sorted(recipe)
    assert made.folder
    pins = [(canonicalize_name(name), version) for name, version in wheels.pins(made.folder / "requirements.txt")]
    assert listed(document, "pypi") == dict(pins)


@pytest.mark.parametrize("store", load().stores, ids=lambda store: store.name)
def test_components_of_a_store_are_what_its_recipe_names(store: Service, documents: dict[str, Document]) -> None:
    recipe = (ROOT / "docker" / "base" / f"{store.name}.packages").read_text().split()
    document = documents[images.reference(store, use_pack=True)]
    assert list(listed(document, "deb")) == sorted(recipe)
    assert listed(document, "pypi") == {}


@pytest.mark.parametrize("made", RUN, ids=lambda made: made.name)
def test_every_component_has_a_licence(made: Service | Flavour, documents: dict[str, Document]) -> None:
    components = documents[reference(made)]["components"]
    assert [component["name"] for component in components if not component.get("licenses")] == []


def test_the_same_image_gives_the_same_document(documents: dict[str, Document], tmp_path: Path) -> None:
    app = load().apps[0].image
    assert sbom(app, f"{app}:latest", "--output", tmp_path).status == 0
    once, again = (json.loads((tmp_path / f"{name}.cdx.json").read_text()) for name in (app, f"{app}_latest"))
    assert once["metadata"]["component"].pop("name") != again["metadata"]["component"].pop("name")
    former = {**documents[f"{app}:latest"], "metadata": once["metadata"]}
    assert once == again == former


@EACH_OF_PYTHON
def test_what_pack_downloads_is_what_the_document_lists(
    made: Service | Flavour, documents: dict[str, Document], tmp_path: Path
) -> None:
    download = ["pack", "sbom", "download", reference(made), "--output-dir", str(tmp_path)]
    with toolchain.pack_environment() as variables:
        assert run(download, ROOT, variables).status == 0
    (path,) = tmp_path.rglob("packages/sbom.cdx.json")
    document = documents[reference(made)]
    own = [component for component in document["components"] if component["purl"].startswith("pkg:pypi/")]
    assert json.loads(path.read_text())["components"] == own


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize("use_pack", [True, False], ids=["pack", "dockerfile"])
def test_distribution_that_was_added_to_an_image_is_named(
    use_pack: bool,  # noqa: FBT001 # a parameter of the test
    scratch_image: str,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "evil-6.6.6.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.4\nName: evil\nVersion: 6.6.6\n")
    base = reference(load().apps[0], use_pack=use_pack)
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nCOPY {folder.name} /opt/{folder.name}/\n")
    build = run(["docker", "build", "--tag", scratch_image, tmp_path], tmp_path, {"DOCKER_BUILDKIT": "0"})
    assert build.status == 0, build.err
    assert sbom(scratch_image, "--output", tmp_path / "output") == Outcome(
        1,
        f"… {scratch_image}\n",
        f"nexusctl: the bill of materials of {scratch_image} does not match the image\n"
        "  found: in the image, but not in its bill: pkg:pypi/evil@6.6.6\n"
        "  to do: find out who changed the image, or build it again (`make build`, `make build PACK=0`)\n",
    )
    assert not (tmp_path / "output").exists()


@proof("notice", *IMAGE_INPUTS, "NOTICE", "tools/nexusctl/sbom")
@pytest.mark.usefixtures("documents")
def test_notice_has_the_licences_of_what_images_hold() -> None:
    flavours = [flavour.name for flavour in load().flavours if not flavour.accelerator]
    images.build(Steps(), flavours, use_pack=True)
    assert notice.current() == notice.tables(list(command.inventories(command.in_notice()))), (
        "as images hold other works now, run `make build` and `tools/nexus sbom --notice`, and commit NOTICE"
    )
