"""The first file in which the layers of two builds differ."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

_DETAIL_BYTES = "4000"
_KINDS = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard link"}


@dataclass(frozen=True)
class Difference:
    """What differs, in a line; `detail` is diffoscope's output, if any."""

    what: str
    detail: str = ""


@dataclass(frozen=True)
class _Entry:
    """The entry of one path in a layer."""

    kind: str
    content: str
    target: str
    mode: str
    owner: str
    date: str
    attributes: str


def first_difference(layers: Mapping[str, Path]) -> Difference:
    """Return the first difference of two layers, tar files by the name of their build, which must not be equal.

    Paths go in the order of their names; where all are alike, it is their order in the archive, or its form.
    """
    (first, left), (second, right) = ((name, _entries(path)) for name, path in layers.items())
    for path in sorted({*left, *right}):
        if path not in right:
            return Difference(f"{path}: only in the {first} build")
        if path not in left:
            return Difference(f"{path}: only in the {second} build")
        if left[path] != right[path]:
            return _between(path, left[path], right[path], layers)
    for path, other in zip(left, right, strict=True):
        if path != other:
            return Difference(f"{path}: another order of files")
    return Difference("another form of archive")


def _entries(layer: Path) -> dict[str, _Entry]:
    with tarfile.open(layer) as tar:
        return {_path(member): _entry(member, _content(tar, member)) for member in tar}


def _path(member: tarfile.TarInfo) -> str:
    # Tars of mmdebstrap begin with ./, those of pack with /.
    return str(PurePosixPath("/", member.name))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member) if member.isreg() else None
    return stream.read() if stream else b""


def _entry(member: tarfile.TarInfo, content: bytes) -> _Entry:
    return _Entry(
        kind=_KINDS.get(member.type, "device"),
        content=hashlib.sha256(content).hexdigest(),
        target=member.linkname,
        mode=f"{member.mode:o}",
        owner=f"{member.uid}:{member.gid}",
        date=datetime.fromtimestamp(member.mtime, UTC).isoformat(),
        attributes=str({name: value for name, value in member.pax_headers.items() if name.startswith("SCHILY")}),
    )


def _between(path: str, left: _Entry, right: _Entry, layers: Mapping[str, Path]) -> Difference:
    if left.kind != right.kind:
        return Difference(f"{path}: kind {left.kind} and {right.kind}")
    if left.content != right.content:
        return Difference(f"{path}: content differs", _diffoscope(path, layers))
    values = [(name, value, getattr(right, name)) for name, value in vars(left).items()]
    return Difference(f"{path}: " + ", ".join(f"{name} {one} and {two}" for name, one, two in values if one != two))


def _diffoscope(path: str, layers: Mapping[str, Path]) -> str:
    """Return diffoscope's output for a file, or "" if diffoscope is not on PATH."""
    if shutil.which("diffoscope") is None:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        for name, layer in layers.items():
            with tarfile.open(layer) as tar:
                content = next(_content(tar, member) for member in tar if _path(member) == path)
            copy = Path(folder, name + path)
            copy.parent.mkdir(parents=True)
            copy.write_bytes(content)
        command = [
            "diffoscope",
            "--text",
            "-",
            "--max-text-report-size",
            _DETAIL_BYTES,
            *(name + path for name in layers),
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    return (done.stdout or done.stderr).strip()
