"""What is done to a fresh install so that it is small, works in the run image and is the same at each build."""

import base64
import csv
import hashlib
import io
import shutil
from collections.abc import Sequence
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


def rewrite_records(site_packages: Path, scripts: Path) -> None:
    """Make each RECORD list just the files that are there, in order, with the scripts at their final place.

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
        elif (site_packages / row[0]).exists():
            rows.append(row)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue()


def _row_of(file: Path, name: str) -> list[str]:
    content = file.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [name, f"sha256={digest}", str(len(content))]
