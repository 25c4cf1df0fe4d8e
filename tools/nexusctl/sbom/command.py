"""`nexusctl sbom`: a bill of materials for each image, and the table of licences in NOTICE."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from nexusctl import docker, images
from nexusctl.console import Steps, table
from nexusctl.errors import NexusError
from nexusctl.sbom import notice
from nexusctl.sbom.document import document, file_name, save
from nexusctl.sbom.inventory import Inventory, read
from nexusctl.workspace import STATE

FOLDER = STATE / "sbom"


def run(references: Sequence[str], folder: Path) -> None:
    """Write a CycloneDX document for each image (all that are built, if none is named), and print what is in them."""
    docker.require_engine()
    rows = []
    for inventory in inventories(references):
        save(folder / file_name(inventory.reference), document(inventory))
        rows.append([inventory.reference, str(len(inventory.packages)), str(len(inventory.distributions))])
    table(f"Bills of materials in {folder}", ("image", "Debian packages", "Python distributions"), rows)


def write_notice() -> None:
    """Put the table of licences of all images into NOTICE; both paths give the same."""
    docker.require_engine()
    notice.write(list(inventories([name for name in images.references() if not name.endswith(images.DOCKERFILE_TAG)])))


def inventories(references: Sequence[str]) -> Iterator[Inventory]:
    """Look into each image (all that are built, if none is named).

    Raises:
        NexusError: see `inventory.read`; or none is named, and none is built.
    """
    chosen = references or [name for name in images.references() if docker.image_id(name)]
    if not chosen:
        raise NexusError("no service image is built", "none of both paths", "run `make build`, or name an image")
    steps = Steps()
    for reference in chosen:
        with steps.step(reference):
            inventory = read(reference)
        yield inventory
