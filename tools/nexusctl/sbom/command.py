"""`nexusctl sbom`: a bill of materials for each image, and the table of licences in NOTICE."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from nexusctl import docker, images
from nexusctl.console import Steps, table
from nexusctl.errors import NexusError
from nexusctl.sbom import notice
from nexusctl.sbom.document import document, file_name, save
from nexusctl.sbom.inventory import Inventory, read
from nexusctl.workspace import STATE, load

FOLDER = STATE / "sbom"


def run(references: Sequence[str], folder: Path) -> None:
    """Write a CycloneDX document for each image (all built ones if none is named), and print a summary."""
    docker.require_engine()
    rows = []
    for inventory in inventories(references):
        save(folder / file_name(inventory.reference), document(inventory))
        rows.append([inventory.reference, str(len(inventory.packages)), str(len(inventory.distributions))])
    table(f"Bills of materials in {folder}", ("image", "Debian packages", "Python distributions"), rows)


def write_notice() -> None:
    """Write the tables of licences into NOTICE."""
    docker.require_engine()
    notice.write(list(inventories(in_notice())))


def in_notice() -> list[str]:
    """Return the images that NOTICE is about, by pack, as both paths give the same.

    One with an accelerator's libraries is made only by those who ask for it, so NOTICE names its works by hand.
    """
    services = [images.reference(service, use_pack=True) for service in load().services]
    flavours = [images.flavour_reference(item, use_pack=True) for item in load().flavours if not item.accelerator]
    return services + flavours


def inventories(references: Sequence[str]) -> Iterator[Inventory]:
    """Return the inventory of each image (of all built ones if none is named).

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
