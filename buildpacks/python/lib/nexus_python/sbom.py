"""The bill of materials of the installed distributions, as CycloneDX 1.5 JSON.

It is the same at each build: no serial number, no time.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from nexus_python import __version__


@dataclass(frozen=True, order=True)
class Distribution:
    """An installed distribution; `name` is as its author writes it, `licence` an SPDX expression, a text, or ""."""

    name: str
    version: str
    summary: str
    licence: str


def read_distributions(site_packages: Path) -> list[Distribution]:
    """Return the distributions installed in `site_packages`, ordered by name."""
    files = site_packages.glob("*.dist-info/METADATA")
    return sorted(_read_metadata(file) for file in files)


def _read_metadata(file: Path) -> Distribution:
    metadata = HeaderParser().parsestr(file.read_text("utf-8", errors="replace"))
    return Distribution(metadata["Name"], metadata["Version"], metadata.get("Summary", ""), _licence(metadata))


def _licence(metadata: Message) -> str:
    # License holds the whole text of some distributions' licences; their first line names it.
    text = str(metadata.get("License-Expression") or metadata.get("License") or "")
    return text.strip().partition("\n")[0]


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
    purl = f"pkg:pypi/{distribution.name.lower().replace('_', '-')}@{distribution.version}"
    component: dict[str, object] = {
        "bom-ref": purl,
        "type": "library",
        "name": distribution.name,
        "version": distribution.version,
        "purl": purl,
    }
    if distribution.summary:
        component["description"] = distribution.summary
    if distribution.licence:
        component["licenses"] = [{"license": {"name": distribution.licence}}]
    return component
