"""The contents of an image, from its file system: Debian packages, Python distributions, and their bills of materials."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import PurePosixPath
from typing import Any

from packageurl import PackageURL
from packaging.utils import canonicalize_name

from nexusctl import docker
from nexusctl.errors import NexusError
from nexusctl.sbom.debian import DOCUMENTATION, OS_RELEASE, STATUS, Package, Release, read_packages, read_release

Component = dict[str, Any]
"""A component of a CycloneDX document."""

_BILL = "/sbom.cdx.json"
_BILLS_OF_LIFECYCLE = "/layers/sbom/"
_METADATA = ".dist-info/METADATA"
_PYTHON = "pkg:pypi/"
# Debian's own: they are listed as Debian packages.
_OF_DEBIAN = "/usr/lib/python3/"
_WANTED = re.compile(
    rf"{OS_RELEASE}|{STATUS}(\.d/[^/]+)?|{DOCUMENTATION}/[^/]+/copyright|.*{re.escape(_METADATA)}|.*{re.escape(_BILL)}"
)
_SHARED_DOCUMENTATION = re.compile(rf"{DOCUMENTATION}/[^/]+")


@dataclass(frozen=True)
class Inventory:
    """The contents of one image. `distributions` are as the bill of materials in the image describes them."""

    reference: str
    image_id: str
    release: Release
    packages: tuple[Package, ...]
    distributions: tuple[Component, ...]


def read(reference: str) -> Inventory:
    """Return the inventory of a local image.

    Raises:
        NexusError: there is no such image, it is not made of Debian packages, or its bill of materials does not match it.
    """
    image_id = docker.image_id(reference)
    if image_id is None:
        docker.require_engine()
        raise NexusError(
            "there is no such image",
            reference,
            "build it (`make build`, `make build PACK=0`), or name one that `docker images` lists",
        )
    files, links = _read_files(image_id)
    release = read_release(files.get(OS_RELEASE, b"").decode(errors="replace"))
    try:
        packages = read_packages(files, links)
    except (LookupError, ValueError) as error:
        raise NexusError(
            f"the records of Debian packages in {reference} cannot be read",
            f"{type(error).__name__}: {error}",
            "build the image again (`make build`, `make build PACK=0`)",
        ) from error
    if release is None or not packages:
        raise NexusError(
            f"{reference} does not say what it is made of",
            f"no record of Debian packages in {STATUS}, {STATUS}.d and {OS_RELEASE}",
            "choose an image that is based on one of `make base`",
        )
    return Inventory(reference, image_id, release, tuple(packages), tuple(_distributions(reference, files)))


def _read_files(image_id: str) -> tuple[dict[str, bytes], dict[str, str]]:
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    with docker.exported(image_id) as stream:
        for member in stream:
            path = str(PurePosixPath("/", member.name))
            if member.issym() and _SHARED_DOCUMENTATION.fullmatch(path):
                links[path] = member.linkname
            elif member.isreg() and _WANTED.fullmatch(path) and (content := stream.extractfile(member)):
                files[path] = content.read()
            elif member.islnk() and (same := str(PurePosixPath("/", member.linkname))) in files:
                files[path] = files[same]
    return files, links


def _distributions(reference: str, files: Mapping[str, bytes]) -> list[Component]:
    """Return the components of the bills written at build time, after checking them against the image."""
    held = {
        _purl(content)
        for path, content in files.items()
        if path.endswith(_METADATA) and not path.startswith(_OF_DEBIAN)
    }
    bills = {path: content for path, content in files.items() if path.endswith(_BILL)}
    of_lifecycle = {path: content for path, content in bills.items() if path.startswith(_BILLS_OF_LIFECYCLE)}
    of_installer = {path: content for path, content in bills.items() if path not in of_lifecycle}
    listed = _components(reference, of_installer)
    _check(reference, held, listed)
    if of_lifecycle:
        _check(reference, held, _components(reference, of_lifecycle))
    return [listed[purl] for purl in sorted(listed)]


def _purl(metadata: bytes) -> str:
    fields = BytesHeaderParser().parsebytes(metadata)
    return PackageURL("pypi", None, canonicalize_name(str(fields["Name"])), str(fields["Version"])).to_string()


def _components(reference: str, bills: Mapping[str, bytes]) -> dict[str, Component]:
    try:
        components = [component for bill in bills.values() for component in json.loads(bill)["components"]]
        return {item["purl"]: item for item in components if item["purl"].startswith(_PYTHON)}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NexusError(
            f"a bill of materials in {reference} cannot be read",
            f"{', '.join(bills)}: {type(error).__name__}: {error}",
            "build the image again (`make build`, `make build PACK=0`)",
        ) from error


def _check(reference: str, held: set[str], listed: Iterable[str]) -> None:
    differences = {
        "in the image, but not in its bill": held - set(listed),
        "in the bill, but not in the image": set(listed) - held,
    }
    found = [f"{what}: {', '.join(sorted(purls))}" for what, purls in differences.items() if purls]
    if found:
        raise NexusError(
            f"the bill of materials of {reference} does not match the image",
            "; ".join(found),
            "find out who changed the image, or build it again (`make build`, `make build PACK=0`)",
        )
