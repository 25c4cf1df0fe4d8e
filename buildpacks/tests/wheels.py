"""Small wheels for the tests, the same to the byte each time, so that locks can hold their hashes.

Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

EPOCH = (2020, 1, 1, 0, 0, 0)


def make_wheelhouse(folder: Path) -> Path:
    """Fill `folder` with one distribution for each thing that can happen to one, and return it."""
    write_wheel(
        folder,
        "alpha",
        "1.0",
        {
            "alpha/__init__.py": "def main() -> None:\n    print('alpha 1.0')\n",
            "alpha/tests/test_alpha.py": "assert True\n",
            "alpha-1.0.dist-info/entry_points.txt": "[console_scripts]\nalpha = alpha:main\n",
            "alpha-1.0.data/scripts/alpha-shell": "#!/bin/sh\necho alpha\n",
            "alpha-1.0.data/scripts/alpha-python": "#!python\nprint('script')\n",
        },
        "Summary: The first letter\nLicense-Expression: MIT\n",
    )
    write_wheel(folder, "beta-parts", "2.1", {"beta/__init__.py": "", "beta/template.py": "{{ cookiecutter }} is\n"})
    write_wheel(folder, "other-python", "1.0", {"other.py": ""}, tag="cp39-cp39-manylinux_2_17_x86_64")
    write_wheel(folder, "other-version", "2.0", {"other_version.py": ""})
    (folder / "only-source-1.0.tar.gz").write_bytes(b"a source archive")
    (folder / "damaged-1.0-py3-none-any.whl").write_bytes(b"not a zip file")
    return folder


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str | bytes],
    metadata: str = "",
    *,
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel with `files`, path to content, and return its path."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    contents: dict[str, str | bytes] = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    rows = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,\n"])
    wheel = folder / f"{stem}-{tag}.whl"
    # Stored, not compressed: compressed bytes differ between versions of zlib.
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        for path, content in contents.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), content)
    return wheel


def lock_line(wheel: Path) -> str:
    """Return the line of a lock that pins `wheel`."""
    name, version = wheel.name.split("-")[:2]
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def _digest(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
