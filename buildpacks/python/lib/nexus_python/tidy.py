"""What is done to a fresh install so that it is small, works in the run image and is the same at each build."""

import base64
import csv
import errno
import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

RUN_IMAGE_PYTHON = "/usr/bin/python3"

# pip's notes on how it was called; nothing reads them in an image.
_INSTALL_NOTES = ("INSTALLER", "REQUESTED", "direct_url.json")


def move_scripts(site_packages: Path, scripts: Path) -> None:
    """Move the console scripts that work in the run image to the folder `scripts`; remove the others.

    pip writes the path of the Python it ran under into them; they get the run image's. Scripts for a shell or another
    interpreter are removed, as the run image has none. Compiled programs stay.
    """
    made = site_packages / "bin"
    if not made.is_dir():
        return
    scripts.mkdir(exist_ok=True)
    for script in sorted(made.iterdir()):
        content = _for_run_image(script.read_bytes())
        if content is not None:
            target = scripts / script.name
            target.write_bytes(content)
            target.chmod(0o755)
    shutil.rmtree(made)


def _for_run_image(script: bytes) -> bytes | None:
    """Return the script with the run image's Python, or None if it needs another interpreter."""
    if not script.startswith(b"#!"):
        return script
    first, _, rest = script.partition(b"\n")
    interpreter = [Path(word).name for word in first[2:].decode(errors="replace").split()]
    if any(word.startswith("python") for word in interpreter):
        return f"#!{RUN_IMAGE_PYTHON}\n".encode() + rest
    return None


def prune(site_packages: Path, globs: Sequence[str]) -> tuple[int, list[str]]:
    """Remove what `globs` match; return how many bytes that were and which globs matched nothing."""
    removed, unmatched = 0, []
    for glob in globs:
        paths = sorted(site_packages.glob(glob))
        if not paths:
            unmatched.append(glob)
        for path in paths:
            removed += _remove(path)
    return removed, unmatched


def _remove(path: Path) -> int:
    """Remove a file or a folder with all it holds; return its size in bytes."""
    if path.is_dir() and not path.is_symlink():
        size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
        shutil.rmtree(path)
        return size
    if not path.is_symlink() and not path.exists():
        return 0  # it lay in a folder that an earlier match removed
    size = path.lstat().st_size
    path.unlink()
    return size


def strip_libraries(site_packages: Path) -> tuple[int, list[str]]:
    """Take the symbols that only a debugger needs out of shared libraries; wheels often carry them.

    Without binutils on PATH nothing is stripped.

    Returns:
        How many bytes that were, and which libraries binutils refused, relative to `site_packages`. Those stay as they
        are: packages may carry libraries for other processors.

    Raises:
        OSError: the disk is full.
    """
    program = shutil.which("strip")
    if program is None:
        return 0, []
    removed, refused = 0, []
    for library in sorted(path for path in site_packages.rglob("*.so*") if _is_elf(path)):
        before = library.stat().st_size
        if not _strip(program, library):
            refused.append(str(library.relative_to(site_packages)))
        removed += before - library.stat().st_size
    return removed, refused


def _strip(program: str, library: Path) -> bool:
    """Strip one library; return whether binutils could."""
    result = subprocess.run(  # noqa: S603  a file of this build
        [program, "--strip-unneeded", str(library)],
        env=os.environ | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if os.strerror(errno.ENOSPC) in result.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(library))
    return result.returncode == 0


def describe_strip() -> str:
    """Return the version of the binutils that strip_libraries uses, such as `GNU strip (GNU Binutils) 2.44`, or ""."""
    program = shutil.which("strip")
    if program is None:
        return ""
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603  constant
    return version.stdout.partition("\n")[0]


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def rewrite_records(site_packages: Path, scripts: Path) -> None:
    """Make each RECORD list just the files that are there, as they are now, with the scripts at their final place.

    Format: https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
    """
    for dist_info in sorted(site_packages.glob("*.dist-info")):
        for note in _INSTALL_NOTES:
            (dist_info / note).unlink(missing_ok=True)
        record = dist_info / "RECORD"
        if record.is_file():
            record.write_text(_current_record(record.read_text("utf-8"), site_packages, scripts), "utf-8")


def _current_record(record: str, site_packages: Path, scripts: Path) -> str:
    rows: list[list[str]] = []
    for row in filter(None, csv.reader(record.splitlines())):
        if row[0].startswith(".."):
            script = scripts / Path(row[0]).name
            rows += [_row_of(script, f"../{scripts.name}/{script.name}")] if script.is_file() else []
        elif (file := site_packages / row[0]).exists():
            rows.append(_row_of(file, row[0]) if row[1] else row)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue()


def _row_of(file: Path, name: str) -> list[str]:
    content = file.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [name, f"sha256={digest}", str(len(content))]


def set_modes(folder: Path) -> None:
    """Give `folder` and all in it the modes that git records: 755 for folders and programs, 644 for other files.

    The modes of a checkout depend on the umask it was made under.
    """
    for path in _with_all_in(folder):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def set_dates(folder: Path, seconds: int) -> None:
    """Date `folder` and all in it `seconds` after 1970-01-01, symbolic links too."""
    for path in _with_all_in(folder):
        os.utime(path, (seconds, seconds), follow_symlinks=False)


def _with_all_in(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")
