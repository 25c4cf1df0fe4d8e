"""Bills of materials of images made for the test: what is read from an image, and what is said of one that cannot be trusted."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import engine
from harness.clone import Outcome, nexusctl, run
from harness.engine_proxy import proxied_engine
from harness.image_factory import OS_RELEASE, bill, distribution, image, package

from nexusctl.workspace import ROOT, load

IMAGE = "nexus-test/factory"
DOCUMENT = "nexus-test_factory.cdx.json"
SYSTEM = {"usr/lib/os-release": OS_RELEASE}
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2025 A. Author
License: GPL-2+ and Expat
 The text.

Files: lib/*
Copyright: 2025 A. Author
License: BSD-3-clause or LGPL-2.1

Files: debian/*
Copyright: 2025 A. Author
License: GPL-2+

Files: data/*
Copyright: 2025 A. Author
License: Author's own
"""
TOLD_BY_TEXT = """\
Format: http://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2025 A. Author
License:
 Licensed under your choice
 of two.
"""


def component(name: str, version: str, qualifiers: str, *licences: dict[str, str]) -> dict[str, object]:
    purl = f"pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-13{qualifiers}".replace("+", "%2B")
    return {
        "bom-ref": purl,
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "description": f"what {name} is",
        "licenses": [{"license": licence} for licence in licences],
    }


def sbom(*arguments: str | Path, **env: str) -> Outcome:
    return nexusctl(ROOT, "sbom", *map(str, arguments), env={"COLUMNS": "100", **env})


def test_document_of_an_image(tmp_path: Path) -> None:
    files = {
        **SYSTEM,
        **package("libplain1", "1.0-1"),
        **package("libshared1", "1:2.0-3+b1", "shared (1:2.0-3)"),
        **package("libshared-data", "1:2.0-3", "shared"),
        **package("libprose1", "3.0-1"),
        **package("libbare1", "4.0-1"),
        "var/lib/dpkg/status": "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: amd64\n\n"
        "Package: kept\nStatus: install ok installed\nVersion: 5.0-1\nArchitecture: amd64\nDescription: what kept is\n",
        "usr/share/doc/libplain1/copyright": COPYRIGHT,
        "usr/share/doc/libshared-data/copyright": TOLD_BY_TEXT,
        "usr/share/doc/libprose1/copyright": "This package was put together by A. Author.\n",
        **distribution("Alpha.Beta", "1.0"),
        "usr/lib/python3/dist-packages/debians_own-1.0.dist-info/METADATA": "Name: debians-own\nVersion: 1.0\n",
        **bill(("alpha-beta", "1.0")),
    }
    with image(IMAGE, files, {"usr/share/doc/libshared1": "libshared-data"}):
        outcome = sbom(IMAGE, "--output", tmp_path)
        image_id = engine.inspect(IMAGE)["Id"]
    assert (outcome.status, outcome.err) == (0, "")
    assert json.loads((tmp_path / DOCUMENT).read_text()) == {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "nexusctl", "version": load().version}]},
            "component": {"bom-ref": image_id, "type": "container", "name": IMAGE, "version": image_id},
        },
        "components": [
            component("kept", "5.0-1", ""),
            component("libbare1", "4.0-1", ""),
            component(
                "libplain1",
                "1.0-1",
                "",
                {"id": "GPL-2.0-or-later"},
                {"id": "MIT"},
                {"name": "BSD-3-Clause OR LGPL-2.1-only"},
                {"name": "Author's own"},
            ),
            component("libprose1", "3.0-1", "", {"name": "see /usr/share/doc/libprose1/copyright"}),
            component("libshared-data", "1:2.0-3", "&upstream=shared", {"name": "Licensed under your choice of two"}),
            component(
                "libshared1",
                "1:2.0-3+b1",
                "&upstream=shared%401:2.0-3",
                {"name": "Licensed under your choice of two"},
            ),
            {"type": "library", "name": "alpha-beta", "version": "1.0", "purl": "pkg:pypi/alpha-beta@1.0"},
        ],
    }


@pytest.mark.parametrize("path", ["packages/sbom.cdx.json", "layers/sbom/launch/nexus_python/packages/sbom.cdx.json"])
def test_bill_that_is_not_true(tmp_path: Path, path: str) -> None:
    files = {
        **SYSTEM,
        **package("libplain1", "1.0-1"),
        **distribution("alpha", "1.0"),
        **distribution("evil", "6.6.6"),
        **bill(("alpha", "1.0"), ("evil", "6.6.6")),
        **bill(("alpha", "1.0"), ("beta", "2.0"), path=path),
    }
    with image(IMAGE, files):
        outcome = sbom(IMAGE, "--output", tmp_path)
    assert outcome == Outcome(
        1,
        f"… {IMAGE}\n",
        f"nexusctl: the bill of materials of {IMAGE} does not match the image\n"
        "  found: in the image, but not in its bill: pkg:pypi/evil@6.6.6; "
        "in the bill, but not in the image: pkg:pypi/beta@2.0\n"
        "  to do: find out who changed the image, or build it again (`make build`, `make build PACK=0`)\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_image_without_a_bill(tmp_path: Path) -> None:
    with image(IMAGE, {**SYSTEM, **package("libplain1", "1.0-1"), **distribution("alpha", "1.0")}):
        outcome = sbom(IMAGE, "--output", tmp_path)
    assert outcome.err.splitlines()[1] == "  found: in the image, but not in its bill: pkg:pypi/alpha@1.0"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"components": 1}', '{"components": [{"name": "alpha"}]}', "\x00"])
def test_bill_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    files = {**SYSTEM, **package("libplain1", "1.0-1"), "packages/sbom.cdx.json": content}
    with image(IMAGE, files):
        outcome = sbom(IMAGE, "--output", tmp_path)
    assert outcome.status == 1
    what, found, remedy = outcome.err.splitlines()
    assert what == f"nexusctl: a bill of materials in {IMAGE} cannot be read"
    assert found.startswith("  found: /packages/sbom.cdx.json: ")
    assert remedy == "  to do: build the image again (`make build`, `make build PACK=0`)"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("files", [SYSTEM, package("libplain1", "1.0-1"), {"etc/alpine-release": "3.22\n"}])
def test_image_that_is_not_made_of_debian_packages(tmp_path: Path, files: dict[str, str]) -> None:
    with image(IMAGE, files):
        outcome = sbom(IMAGE, "--output", tmp_path)
    assert outcome == Outcome(
        1,
        f"… {IMAGE}\n",
        f"nexusctl: {IMAGE} does not say what it is made of\n"
        "  found: no record of Debian packages in /var/lib/dpkg/status, /var/lib/dpkg/status.d and /usr/lib/os-release\n"
        "  to do: choose an image that is based on one of `make base`\n",
    )


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ("Version: 1.0-1\n", "KeyError: 'Package'"),
        ("Package: libplain1\n", "KeyError: 'Version'"),
        ("Package: libplain1\nArchitecture: amd64\nVersion: one two\n", "ValueError: Invalid version string 'one two'"),
    ],
)
def test_record_of_a_package_that_cannot_be_read(tmp_path: Path, record: str, found: str) -> None:
    with image(IMAGE, {**SYSTEM, "var/lib/dpkg/status.d/libplain1": record}):
        outcome = sbom(IMAGE, "--output", tmp_path)
    assert outcome == Outcome(
        1,
        f"… {IMAGE}\n",
        f"nexusctl: the records of Debian packages in {IMAGE} cannot be read\n"
        f"  found: {found}\n"
        "  to do: build the image again (`make build`, `make build PACK=0`)\n",
    )


@pytest.mark.parametrize("reference", ["nexus-test/absent", "Not:a:Reference", "sha256:0123"])
def test_reference_that_leads_to_no_image(tmp_path: Path, reference: str) -> None:
    assert sbom(reference, "--output", tmp_path) == Outcome(
        1,
        f"… {reference}\n",
        "nexusctl: there is no such image\n"
        f"  found: {reference}\n"
        "  to do: build it (`make build`, `make build PACK=0`), or name one that `docker images` lists\n",
    )


def test_engine_that_goes_away_between_two_images(tmp_path: Path) -> None:
    with image(IMAGE, {**SYSTEM, **package("libplain1", "1.0-1")}), proxied_engine() as proxy:
        process = subprocess.Popen(
            [sys.executable, "-m", "nexusctl", "sbom", IMAGE, f"{IMAGE}:latest", "--output", tmp_path],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tools"), "DOCKER_HOST": proxy.host, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        while not process.stdout.readline().startswith("✓"):
            pass
        proxy.cut()
        _, said = process.communicate()
    assert process.returncode == 1
    assert said.splitlines()[0] in (
        "nexusctl: the Docker engine does not answer",
        "nexusctl: the Docker engine went away",
    )
    assert [path.name for path in tmp_path.iterdir()] == [DOCUMENT]


def test_output_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with image(IMAGE, {**SYSTEM, **package("libplain1", "1.0-1")}):
        outcome = sbom(IMAGE, "--output", tmp_path / "file")
    place = tmp_path / "file"
    assert outcome.err == (
        f"nexusctl: {place / DOCUMENT} cannot be written\n"
        f"  found: [Errno 17] File exists: '{place}'\n"
        "  to do: fix that, or choose another folder\n"
    )


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    assert run(["mount", "-t", "tmpfs", "-o", "size=4k", "nexus-test", folder], folder).status == 0
    try:
        yield
    finally:
        run(["umount", folder], folder.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_full_disk_leaves_the_former_document(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    folder.mkdir()
    records = [package(f"lib{number}", "1.0-1") for number in range(40)]
    files = {path: text for record in records for path, text in record.items()}
    with image(IMAGE, {**SYSTEM, **files}), small_disk(folder):
        (folder / DOCUMENT).write_text("former\n")
        outcome = sbom(IMAGE, "--output", folder)
        assert {path.name: path.read_text() for path in folder.iterdir()} == {DOCUMENT: "former\n"}
    assert outcome.status == 1
    assert outcome.err.splitlines()[0] == "nexusctl: the disk is full"
