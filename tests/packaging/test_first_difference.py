"""`nexusctl reproduce` names the first file in which two layers differ, and lets diffoscope explain it."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from nexusctl.reproduce.layer import Difference, first_difference

DIFFOSCOPE = """#!/bin/sh
echo "diffoscope $*"
diff --unified "$5" "$6"
"""


@dataclass(frozen=True)
class File:
    """A file of a layer, or a link to `target`."""

    content: bytes = b""
    mode: int = 0o644
    owner: int = 0
    date: int = 315532801
    target: str = ""


FILES = {"./etc/a": File(b"one\n"), "./etc/b": File(b"two\n"), "./etc/link": File(target="a")}


def write(path: Path, files: dict[str, File]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, file in files.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.SYMTYPE if file.target else tarfile.REGTYPE
            member.linkname, member.size, member.mode = file.target, len(file.content), file.mode
            member.uid = member.gid = file.owner
            member.mtime = file.date
            tar.addfile(member, io.BytesIO(file.content))
    return path


def difference(folder: Path, second: dict[str, File]) -> Difference:
    layers = {"first": write(folder / "first.tar", FILES), "second": write(folder / "second.tar", second)}
    return first_difference(layers)


@pytest.fixture(autouse=True)
def path_without_diffoscope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"./etc/b": File(b"2\n")}, "/etc/b: content differs"),
        ({"./etc/a": File(b"1\n", date=0), "./etc/b": File(b"2\n")}, "/etc/a: content differs"),
        ({"./etc/b": File(b"two\n", mode=0o664)}, "/etc/b: mode 644 and 664"),
        ({"./etc/b": File(b"two\n", owner=10001)}, "/etc/b: owner 0:0 and 10001:10001"),
        (
            {"./etc/b": File(b"two\n", mode=0o755, date=1795521600)},
            "/etc/b: mode 644 and 755, date 1980-01-01T00:00:01+00:00 and 2026-11-24T12:00:00+00:00",
        ),
        ({"./etc/link": File(target="b")}, "/etc/link: target a and b"),
        ({"./etc/b": File(target="a")}, "/etc/b: kind file and link"),
        ({"./etc/c": File()}, "/etc/c: only in the second build"),
    ],
    ids=["content", "first of two", "mode", "owner", "mode and date", "target", "kind", "one more"],
)
def test_first_differing_file_is_named(tmp_path: Path, changed: dict[str, File], what: str) -> None:
    assert difference(tmp_path, FILES | changed) == Difference(what)


def test_file_that_the_second_build_lacks_is_named(tmp_path: Path) -> None:
    fewer = {name: file for name, file in FILES.items() if name != "./etc/a"}
    assert difference(tmp_path, fewer) == Difference("/etc/a: only in the first build")


def test_another_order_is_named(tmp_path: Path) -> None:
    assert difference(tmp_path, dict(reversed(FILES.items()))) == Difference("/etc/a: another order of files")


def test_diffoscope_explains_where_it_is_there(tmp_path: Path, path_without_diffoscope: Path) -> None:
    program = path_without_diffoscope / "diffoscope"
    program.write_text(DIFFOSCOPE.replace("diff --unified", "/usr/bin/diff --label first --label second --unified"))
    program.chmod(0o755)
    assert difference(tmp_path, FILES | {"./etc/b": File(b"2\n")}) == Difference(
        "/etc/b: content differs",
        "diffoscope --text - --max-text-report-size 4000 first/etc/b second/etc/b\n"
        "--- first\n+++ second\n@@ -1 +1 @@\n-two\n+2",
    )
