"""The content of an image: one pass over its exported file system."""

import hashlib
import re
import tarfile
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from functools import lru_cache
from pathlib import PurePosixPath

from nexusctl import contents, docker
from nexusctl.parity.facts import Facts

# Added by the engine to each exported container.
_OF_ENGINE = re.compile(r"/(\.dockerenv|etc/(hosts|hostname|resolv\.conf|mtab)|dev|dev/.*|proc|sys)?$")
_ACCOUNTS = ("/etc/passwd", "/etc/group")
_PACKAGE_RECORDS = "/var/lib/dpkg/status"
_APPLICATION, _PACKAGES, _REST = "application files", "package files", "operating-system files"


@lru_cache
def observe(image: str, application: str, packages: tuple[str, ...]) -> Facts:
    """Return the facts in an image's file system.

    Args:
        image: id of a local image.
        application: folder with the application, or "" where there is none.
        packages: folders with its packages.
    """
    facts: dict[str, dict[str, str]] = {_APPLICATION: {}, _PACKAGES: {}, _REST: {}}
    facts |= {"file owners": {}, "accounts": {}, "Debian packages": {}}
    facts |= {str(kind): {} for kind in contents.Kind}
    folders = {_APPLICATION: [application] if application.strip("/") else [], _PACKAGES: packages}
    digests: dict[str, str] = {}
    with docker.exported(image) as stream:
        for member in stream:
            path = str(PurePosixPath("/", member.name))
            if _OF_ENGINE.fullmatch(path):
                continue
            content = _read(stream, member)
            digests[path] = hashlib.sha256(content).hexdigest() if content is not None else ""
            facts[_group(path, folders)][path] = _entry(member, digests)
            facts["file owners"][path] = f"{member.uid}:{member.gid}"
            for finding in contents.findings(member):
                facts[finding.kind][f"/{finding.path}"] = ""
            if path in _ACCOUNTS:
                facts["accounts"] |= dict.fromkeys((content or b"").decode().split("\n"), "")
            if path.startswith(_PACKAGE_RECORDS) and content:
                facts["Debian packages"] |= dict(_packages(content.decode(errors="replace")))
    return facts


def _read(stream: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    reader = stream.extractfile(member) if member.isreg() else None
    return reader.read() if reader else None


def _group(path: str, folders: dict[str, Sequence[str]]) -> str:
    inside = (
        name for name, paths in folders.items() if any(path == root or path.startswith(f"{root}/") for root in paths)
    )
    return next(inside, _REST)


def _entry(member: tarfile.TarInfo, digests: dict[str, str]) -> str:
    mode = f"{member.mode & 0o7777:04o}"
    if member.issym():
        return f"-> {member.linkname}"
    if member.islnk():
        return f"{mode} {digests[str(PurePosixPath('/', member.linkname))]}"
    if member.isreg():
        return f"{mode} {digests[str(PurePosixPath('/', member.name))]}"
    return f"{mode} {'folder' if member.isdir() else 'device'}"


def _packages(records: str) -> Iterator[tuple[str, str]]:
    for record in records.split("\n\n"):
        fields = HeaderParser().parsestr(record)
        if fields["Package"]:
            yield fields["Package"], fields["Version"] or ""
