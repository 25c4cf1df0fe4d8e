from pathlib import Path

import pytest
from nexus_python.tidy import move_scripts, prune, rewrite_records


@pytest.mark.parametrize(
    ("script", "moved"),
    [
        (b"#!/opt/build/bin/python3.13\nprint()\n", b"#!/usr/bin/python3\nprint()\n"),
        (b"#!/usr/bin/env python3\nprint()\n", b"#!/usr/bin/python3\nprint()\n"),
        (b"#!/usr/bin/python -E\nprint()\n", b"#!/usr/bin/python3\nprint()\n"),
        (b"\x7fELF compiled", b"\x7fELF compiled"),
        (b"#!/bin/sh\necho\n", None),
        (b"#!/usr/bin/env node\n", None),
    ],
)
def test_scripts_that_work_in_the_run_image_stay(tmp_path: Path, script: bytes, moved: bytes | None) -> None:
    made = tmp_path / "site-packages" / "bin"
    made.mkdir(parents=True)
    (made / "tool").write_bytes(script)

    move_scripts(tmp_path / "site-packages", tmp_path / "bin")

    tool = tmp_path / "bin" / "tool"
    assert (tool.read_bytes() if tool.exists() else None) == moved
    assert moved is None or tool.stat().st_mode & 0o777 == 0o755
    assert not made.exists()


def test_pruning_removes_files_folders_and_links_and_counts_bytes(tmp_path: Path) -> None:
    for name in ("a/tests/deep/test_a.py", "a/tests/data.bin", "a/core.py", "b/tests/test_b.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    (tmp_path / "b" / "link").symlink_to(tmp_path / "a")

    # The third glob also matches what the first has removed with its folder.
    removed, unmatched = prune(tmp_path, ["*/tests", "b/link", "**/test_*.py", "c/*"])

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == ["a/core.py"]
    assert removed == 15 + len(str(tmp_path / "a"))
    assert unmatched == ["**/test_*.py", "c/*"]


def test_pruning_by_overlapping_globs_of_one_pattern_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "tests" / "tests").mkdir(parents=True)
    (tmp_path / "tests" / "tests" / "x.py").write_bytes(b"1")

    assert prune(tmp_path, ["**/tests"]) == (1, [])


def test_a_record_loses_pips_notes_and_what_was_removed_and_has_the_hashes_of_the_files_as_they_are(
    tmp_path: Path,
) -> None:
    site_packages, scripts = tmp_path / "site-packages", tmp_path / "bin"
    info = site_packages / "a-1.0.dist-info"
    info.mkdir(parents=True)
    scripts.mkdir()
    for path in (site_packages / "a.py", info / "INSTALLER", info / "REQUESTED", info / "direct_url.json"):
        path.touch()
    (scripts / "tool").write_bytes(b"x")
    lines = ["b/gone.py,sha256=0,1", '"a.py",sha256=1,0', "", "a-1.0.dist-info/RECORD,,", "a-1.0.dist-info/INSTALLER,,"]
    (info / "RECORD").write_text("\n".join([*lines, "../../bin/tool,sha256=2,9", "../../bin/gone,,\n"]), "utf-8")

    rewrite_records(site_packages, scripts)

    assert (info / "RECORD").read_text("utf-8") == (
        "../bin/tool,sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1\na-1.0.dist-info/RECORD,,\n"
        "a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
    )
    assert sorted(path.name for path in info.iterdir()) == ["RECORD"]
