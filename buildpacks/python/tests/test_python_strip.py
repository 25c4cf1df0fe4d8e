"""Shared libraries with debugging symbols, made here with binutils; an assembler needs no compiler beside it."""

import base64
import csv
import ctypes
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from nexus_python.install import InstallPlan, install, read_locks
from nexus_python.tidy import describe_strip, strip_libraries
from wheels import lock_line, write_wheel

# One exported number and a section of debugging information, in the directives all processors' assemblers share.
SOURCE = """
    .globl answer
    .type answer, %object
    .size answer, 4
    .data
answer:
    .long 42
    .section .debug_info
    .fill 100000
    .section .note.GNU-stack, "", %progbits
"""

needs_binutils = pytest.mark.skipif(
    not all(map(shutil.which, ("as", "ld", "strip"))), reason="binutils (as, ld, strip) are not on PATH"
)


def _library(folder: Path) -> Path:
    """Make a shared library with 100 kB of debugging information."""
    (folder / "answer.s").write_text(SOURCE, "utf-8")
    subprocess.run(["as", "answer.s", "-o", "answer.o"], cwd=folder, check=True)
    subprocess.run(["ld", "-shared", "answer.o", "-o", "answer.so"], cwd=folder, check=True)
    return folder / "answer.so"


def _install(application: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install one wheel with `files` and return its site-packages."""
    wheel = write_wheel(application, "native", "1.0", files)
    (application / "requirements.txt").write_text(lock_line(wheel), "utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    plan = InstallPlan(read_locks(application, ["requirements.txt"]), find_links=(application,))
    install(plan, application / "installed")
    return application / "installed" / "site-packages"


@needs_binutils
def test_a_library_with_debugging_symbols_gets_smaller_still_loads_and_has_a_right_record_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = _library(tmp_path)
    before = library.stat().st_size

    site_packages = _install(tmp_path, {"native/answer.so.1": library.read_bytes()}, monkeypatch)

    stripped = site_packages / "native" / "answer.so.1"
    digest = base64.urlsafe_b64encode(hashlib.sha256(stripped.read_bytes()).digest()).rstrip(b"=").decode()
    rows = csv.reader((site_packages / "native-1.0.dist-info" / "RECORD").read_text("utf-8").splitlines())
    assert before > 100_000
    assert stripped.stat().st_size < before - 100_000
    assert ctypes.c_int32.in_dll(ctypes.CDLL(str(stripped)), "answer").value == 42
    assert ["native/answer.so.1", f"sha256={digest}", str(stripped.stat().st_size)] in rows
    assert capsys.readouterr().out == (
        "  Stripped: 0.1 MiB of debugging symbols\n  Packages: 1 distribution installed\n"
    )


@needs_binutils
def test_a_library_that_binutils_refuse_stays_as_it_is_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"native/other.so": b"\x7fELF of no processor", "native/text.so": b"INPUT(other.so)"}

    site_packages = _install(tmp_path, files, monkeypatch)

    assert {name: (site_packages / name).read_bytes() for name in files} == files
    assert capsys.readouterr().out == (
        "  Note: 1 shared library could not be stripped: native/other.so\n  Packages: 1 distribution installed\n"
    )


@needs_binutils
def test_a_link_to_a_library_stays_a_link(tmp_path: Path) -> None:
    library = _library(tmp_path)
    link = tmp_path / "answer.so.1"
    link.symlink_to(library.name)
    before = library.stat().st_size

    assert strip_libraries(tmp_path) == (before - library.stat().st_size, [])
    assert link.readlink() == Path("answer.so")


@needs_binutils
def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _library(tmp_path)
    program = tmp_path / "strip"
    # As binutils end when there is no space for their copy.
    program.write_text('#!/bin/sh\necho "strip: answer.so: No space left on device" >&2\nexit 1\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OSError, match="No space left on device"):
        strip_libraries(tmp_path)


def test_without_binutils_nothing_is_stripped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.so").write_bytes(b"\x7fELF")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert strip_libraries(tmp_path) == (0, [])
    assert describe_strip() == ""
    assert (tmp_path / "a.so").read_bytes() == b"\x7fELF"
