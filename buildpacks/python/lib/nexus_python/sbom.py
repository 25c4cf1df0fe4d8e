"""The bill of materials of the installed distributions, as CycloneDX 1.5 JSON.

It is the same at each build: no serial number, no time.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import quote

from nexus_python import __version__
from nexus_python.licences import Licences, licences


@dataclass(frozen=True)
class Distribution:
    """An installed distribution; `name` is as its author writes it."""

    name: str
    version: str
    summary: str
    licences: Licences

    @property
    def purl(self) -> str:
        """The package URL, with the name as PEP 503 normalizes it."""
        return f"pkg:pypi/{re.sub(r'[-_.]+', '-', self.name).lower()}@{quote(self.version, safe='')}"


def read_distributions(site_packages: Path) -> list[Distribution]:
    """Return the distributions in `site_packages`, those that others carry inside them too, ordered by package URL."""
    found = map(_read_metadata, sorted(site_packages.rglob("*.dist-info/METADATA")))
    return sorted({item.purl: item for item in found}.values(), key=lambda item: item.purl)


def _read_metadata(file: Path) -> Distribution:
    metadata = HeaderParser().parsestr(file.read_text("utf-8", errors="replace"))
    return Distribution(metadata["Name"], metadata["Version"], metadata.get("Summary", ""), licences(metadata))


def bill_of_materials(distributions: Sequence[Distribution]) -> str:
    """Return the CycloneDX document that lists `distributions`."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "nexus/python", "version": __version__}]}
        },
        "components": [_component(distribution) for distribution in distributions],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _component(distribution: Distribution) -> dict[str, object]:
    component: dict[str, object] = {
        "bom-ref": distribution.purl,
        "type": "library",
        "name": distribution.name,
        "version": distribution.version,
        "purl": distribution.purl,
    }
    if distribution.summary:
        component["description"] = distribution.summary
    if distribution.licences:
        component["licenses"] = distribution.licences
    return component
