"""No container's file system has what does not belong there: nexusctl.contents says what that is."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.builds import dockerfile_build
from harness.stack import Stack

from nexusctl.contents import Finding, Kind, scan
from nexusctl.workspace import Service, Worker, load

PROCESSES = pytest.mark.parametrize("process", load().processes, ids=lambda process: process.name)
# initdb and pg_ctl start the server by `sh -c`: popen(3) and execl of /bin/sh in src/bin/initdb and src/bin/pg_ctl.
ALLOWED = {"postgres": [Finding(Kind.SHELL, "usr/bin/dash"), Finding(Kind.SHELL, "usr/bin/sh")]}
# What stays beside that shell, and who calls it.
TOOLS = {
    "usr/bin/cat": "entrypoint, read-secret",
    "usr/bin/chmod": "entrypoint",
    "usr/bin/dash": "initdb, pg_ctl, entrypoint",
    "usr/bin/id": "entrypoint, read-secret",
    "usr/bin/locale": "initdb",
    "usr/bin/mktemp": "entrypoint",
    "usr/bin/rm": "entrypoint",
    "usr/bin/sh": "the name of dash",
}
FOLDERS = ("usr/bin/", "usr/sbin/")
OF_ENGINE = "usr/sbin/docker-init"  # the init process, which the engine puts in
# One of each kind; `setcap cap_net_raw=ep` writes this attribute (linux/capability.h, VFS_CAP_REVISION_2).
CAPABILITY = "".join(map(chr, (1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)))
BAD_FILES = {
    "opt/x/busybox": 0o755,
    "opt/x/curl": 0o755,
    "opt/x/perl5.40.1": 0o755,
    "opt/x/x86_64-linux-gnu-gcc-14": 0o755,
    "usr/bin/bash": 0o644,
    "usr/bin/ping": 0o755,
    "usr/bin/su": 0o4755,
    "usr/bin/wall": 0o2755,
    "usr/lib/python3/dist-packages/pip/__init__.py": 0o644,
    "usr/sbin/dpkg": 0o755,
    "usr/share/notes/bash": 0o644,
    "var/log/all": 0o666,
}


def contents(container: str) -> list[Finding]:
    with engine.output("export", container) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
        return scan(members)


@PROCESSES
def test_nothing_in_a_container_that_does_not_belong_there(stack: Stack, process: Service | Worker) -> None:
    assert contents(stack.containers(process.name)[0]["Id"]) == ALLOWED.get(process.name, [])


def test_the_database_keeps_only_tools_that_are_called(stack: Stack) -> None:
    container = stack.container("postgres")["Id"]
    with engine.output("export", container) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
        found = [member.name for member in members if not member.isdir() and member.name.startswith(FOLDERS)]
    assert sorted(found) == [*sorted(TOOLS), OF_ENGINE]


@pytest.fixture
def bad(tmp_path: Path, scratch_image: str, bases: None) -> Iterator[str]:
    """A container of an image that has one of everything that does not belong there."""
    assert bases is None
    with tarfile.open(tmp_path / "bad.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for path, mode in BAD_FILES.items():
            member = tarfile.TarInfo(path)
            member.mode = mode
            if path == "usr/bin/ping":
                member.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY}
            archive.addfile(member, io.BytesIO())
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile.bad").write_text("FROM nexus/run\nADD bad.tar /\n")
    built = dockerfile_build(scratch_image, "bad", tmp_path)
    assert built.status == 0, built.err
    container = engine.docker("create", scratch_image)
    yield container
    engine.docker("rm", "--volumes", container)


def test_all_that_does_not_belong_there_is_found(bad: str) -> None:
    assert sorted(contents(bad)) == [
        Finding(Kind.COMPILER, "opt/x/x86_64-linux-gnu-gcc-14"),
        Finding(Kind.DOWNLOADER, "opt/x/curl"),
        Finding(Kind.CAPABILITY, "usr/bin/ping"),
        Finding(Kind.INTERPRETER, "opt/x/perl5.40.1"),
        Finding(Kind.PACKAGE_MANAGER, "usr/lib/python3/dist-packages/pip/__init__.py"),
        Finding(Kind.PACKAGE_MANAGER, "usr/sbin/dpkg"),
        Finding(Kind.SETUID, "usr/bin/su"),
        Finding(Kind.SETUID, "usr/bin/wall"),
        Finding(Kind.SHELL, "opt/x/busybox"),
        Finding(Kind.SHELL, "usr/bin/bash"),
        Finding(Kind.WORLD_WRITABLE, "var/log/all"),
    ]
