"""Images of a few files, made by hand, to be looked into and never started."""

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

from harness import engine

OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n'
SITE_PACKAGES = "packages/site-packages"


@contextmanager
def image(reference: str, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Iterator[str]:
    """Make an image of `files`, path -> content, and symbolic `links`, path -> target; remove it afterwards."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, target in (links or {}).items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    subprocess.run(["docker", "import", "-", reference], input=archive.getvalue(), capture_output=True, check=True)
    try:
        yield reference
    finally:
        # Whoever looked into it while the engine went away could not tidy up.
        for container in engine.docker("ps", "--all", "--quiet", "--filter", f"ancestor={reference}").split():
            engine.docker("rm", container)
        engine.remove_images([reference])


def package(name: str, version: str, source: str = "") -> dict[str, str]:
    """Return the file that records a Debian package; `source` as in its field Source."""
    lines = [f"Package: {name}", *([f"Source: {source}"] if source else []), f"Version: {version}"]
    text = "\n".join([*lines, "Architecture: amd64", f"Description: what {name} is", " in full", ""])
    return {f"var/lib/dpkg/status.d/{name}": text}


def distribution(name: str, version: str) -> dict[str, str]:
    """Return the file that records an installed Python distribution."""
    folder = f"{SITE_PACKAGES}/{name.replace('-', '_')}-{version}.dist-info"
    return {f"{folder}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nThe description.\n"}


def bill(*distributions: tuple[str, str], path: str = "packages/sbom.cdx.json") -> dict[str, str]:
    """Return a bill of materials, as a build leaves it, of these names and versions."""
    components = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{quote(version)}"}
        for name, version in distributions
    ]
    return {path: json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components})}
