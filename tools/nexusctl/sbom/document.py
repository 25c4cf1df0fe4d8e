"""CycloneDX documents of images: https://cyclonedx.org/docs/1.5/json/.

The same image gives the same document: no serial number, no time.
"""

import errno
import json
from pathlib import Path

from cyclonedx.spdx import fixup_id

from nexusctl.errors import NexusError
from nexusctl.sbom.debian import Package, Release
from nexusctl.sbom.inventory import Component, Inventory
from nexusctl.workspace import load


def file_name(reference: str) -> str:
    """Return the name of an image's document."""
    return f"{reference.replace('/', '_').replace(':', '_')}.cdx.json"


def save(path: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        NexusError: the place cannot be written.
        OSError: the disk is full.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            partial.unlink()
            raise
        raise NexusError(f"{path} cannot be written", str(error), "fix that, or choose another folder") from error


def document(inventory: Inventory) -> str:
    """Return the CycloneDX document of an image."""
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "nexusctl", "version": load().version}]},
            "component": {
                "bom-ref": inventory.image_id,
                "type": "container",
                "name": inventory.reference,
                "version": inventory.image_id,
            },
        },
        "components": [
            *(_component(package, inventory.release) for package in inventory.packages),
            *inventory.distributions,
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _component(package: Package, release: Release) -> Component:
    purl = package.purl(release)
    licences = package.licences or ([f"see {package.copyright}"] if package.copyright else [])
    return {
        "bom-ref": purl,
        "type": "library",
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "description": package.summary,
        "licenses": [{"license": {"id": name} if fixup_id(name) else {"name": name}} for name in licences],
    }
