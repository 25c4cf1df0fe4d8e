"""Debian packages, as an image records them, and the licences that their copyright files name."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from textwrap import shorten
from typing import Any

from cyclonedx.spdx import fixup_id
from debian.copyright import Copyright, License, NotMachineReadableError
from debian.deb822 import Packages
from debian.debian_support import Version
from packageurl import PackageURL

STATUS = "/var/lib/dpkg/status"
DOCUMENTATION = "/usr/share/doc"
OS_RELEASE = "/usr/lib/os-release"

_LICENCE_LENGTH = 250
# Debian's short names that differ from SPDX's: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/#license-short-name
_GNU = re.compile(r"([AL]?GPL)-(\d)(\.\d)?(\+?)")
_OR = re.compile(r" or ", re.IGNORECASE)
# It would log a line for each file that names an older version of the format.
logging.getLogger("debian.copyright").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Release:
    """The Debian release of an image: `id` "debian", `version` "13", `codename` "trixie"."""

    id: str
    version: str
    codename: str


@dataclass(frozen=True)
class Package:
    """A binary package and the source package that it was built from."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: Version
    summary: str
    copyright: str | None
    licences: tuple[str, ...]

    def purl(self, release: Release) -> str:
        """Return the package URL, with the qualifiers by which scanners find the source package."""
        upstream = f"{self.source}@{self.source_version}" if str(self.source_version) != self.version else self.source
        qualifiers = {"arch": self.architecture, "distro": f"{release.id}-{release.version}"}
        if upstream != self.name:
            qualifiers["upstream"] = upstream
        return PackageURL("deb", release.id, self.name, self.version, qualifiers).to_string()


def read_release(os_release: str) -> Release | None:
    """Return the content of an os-release file, https://www.freedesktop.org/software/systemd/man/os-release.html."""
    pairs = (line.partition("=") for line in os_release.splitlines())
    fields = {name: value.strip("\"'") for name, _, value in pairs}
    try:
        return Release(fields["ID"], fields["VERSION_ID"], fields["VERSION_CODENAME"])
    except KeyError:
        return None


def read_packages(files: Mapping[str, bytes], links: Mapping[str, str]) -> list[Package]:
    """Return the installed packages, ordered by name.

    Args:
        files: path -> content of dpkg's status, of the files of its status.d, and of all copyright files.
        links: path -> target of the links among the folders of documentation.
    """
    records = [content for path, content in files.items() if path.startswith(STATUS)]
    found = [package for record in records for package in _packages(record, files, links)]
    return sorted(found, key=lambda package: (package.name, package.architecture))


def _packages(record: bytes, files: Mapping[str, bytes], links: Mapping[str, str]) -> Iterator[Package]:
    for fields in Packages.iter_paragraphs(record, use_apt_pkg=False):
        if not fields.get("Status", "installed").endswith("installed"):
            continue  # removed, but its configuration is still there
        place = _copyright(fields["Package"], links)
        content = files.get(place)
        yield Package(
            name=fields["Package"],
            version=fields["Version"],
            architecture=fields["Architecture"],
            source=fields.source or fields["Package"],
            source_version=fields.source_version,
            summary=fields.get("Description", "").partition("\n")[0],
            copyright=None if content is None else place,
            licences=() if content is None else read_licences(content),
        )


def _copyright(package: str, links: Mapping[str, str]) -> str:
    folder = f"{DOCUMENTATION}/{package}"
    if folder in links:
        folder = f"{DOCUMENTATION}/{PurePosixPath(links[folder]).name}"
    return f"{folder}/copyright"


def read_licences(content: bytes) -> tuple[str, ...]:
    """Return the licences that a copyright file names, each once, in its order; none if it is not machine-readable.

    They are SPDX ids where Debian's short name means one, alternatives joined by OR, else as the file writes them.
    """
    try:
        document = Copyright(content.decode(errors="replace").splitlines(), strict=False)
    except (NotMachineReadableError, ValueError):
        return ()
    # Their descriptors' types are not those of their values.
    stated: list[Any] = [paragraph.license for paragraph in document.all_files_paragraphs()] or [
        document.header.license
    ]
    return tuple(dict.fromkeys(name for licence in stated if licence for name in _names(licence)))


def _names(licence: License) -> list[str]:
    synopsis = " ".join(licence.synopsis.split())
    if not synopsis:  # identified by its text
        return [shorten(licence.text, _LICENCE_LENGTH).rstrip(".")]
    if len(choices := _OR.split(synopsis)) > 1:
        return [" OR ".join(map(_name, choices))]
    return [_name(name) for name in synopsis.split(" and ")]


def _name(short_name: str) -> str:
    if short_name == "Expat":
        return "MIT"
    if gnu := _GNU.fullmatch(short_name):
        family, major, minor, later = gnu.groups()
        short_name = f"{family}-{major}{minor or '.0'}-{'or-later' if later else 'only'}"
    return fixup_id(short_name) or short_name
