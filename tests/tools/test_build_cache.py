"""Stamps, locks and images: the small promises that builds stand on."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import WHEELS_AT_HAND, edit, leave_out_torch, nexusctl, share_all_but_wheelhouse

from nexusctl import build_cache, chassis, docker, wheels
from nexusctl.console import Steps
from nexusctl.workspace import load

IMAGE = "nexus-test/determinism"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the build cache takes for the tree, with one file in it."""
    monkeypatch.setattr(build_cache, "ROOT", tmp_path)
    monkeypatch.setattr(build_cache, "_FOLDER", tmp_path / "build-cache")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_text("one")
    return tmp_path / "source"


def test_stamp_is_current_only_with_the_same_inputs(folder: Path) -> None:
    value = build_cache.digest([folder], "3.13")
    assert not build_cache.is_current("step", value)
    build_cache.finish("step", value)
    assert build_cache.is_current("step", value)
    assert not build_cache.is_current("step", build_cache.digest([folder], "3.14"))


def test_digest_sees_content_name_and_right_to_run(folder: Path) -> None:
    seen = [build_cache.digest([folder])]
    (folder / "a").write_text("two")
    seen.append(build_cache.digest([folder]))
    (folder / "a").rename(folder / "b")
    seen.append(build_cache.digest([folder]))
    (folder / "b").chmod(0o755)
    seen.append(build_cache.digest([folder]))
    (folder / "c").touch()
    seen.append(build_cache.digest([folder]))
    assert len(set(seen)) == len(seen)


def test_digest_does_not_see_times_order_and_bytecode(folder: Path) -> None:
    before = build_cache.digest([folder, folder / "a"])
    os.utime(folder / "a", (0, 0))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").touch()
    assert build_cache.digest([folder / "a", folder]) == before


def test_digest_keeps_values_apart(folder: Path) -> None:
    assert build_cache.digest([folder], "ab", "c") != build_cache.digest([folder], "a", "bc")


def test_pins_of_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "# comment==1\n"
        "alpha==1.0 \\\n    --hash=sha256:aa\n    # via beta==2\n"
        "Beta.Two[extra,more]==2.0.post1 ; python_version > '3' \\\n    --hash=sha256:bb\n"
        "gamma_three==3;sys_platform=='linux'\n"
    )
    assert wheels.pins(lock) == [("alpha", "1.0"), ("Beta.Two", "2.0.post1"), ("gamma_three", "3")]


@pytest.mark.parametrize("lock", wheels.app_locks(), ids=lambda lock: lock.parent.name)
def test_lock_of_each_app_has_a_hash_for_every_pin(lock: Path) -> None:
    entries = [
        part for part in lock.read_text().replace("\\\n", " ").splitlines() if "==" in part and part[0] not in "# "
    ]
    assert len(entries) == len(wheels.pins(lock)) > 0
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.fixture
def layer(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "file").write_text("content")
    path = tmp_path / "layer.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(tmp_path / "file", "file")
    yield path
    engine.remove_images([IMAGE])


def test_image_of_the_same_layers_has_the_same_id(layer: Path) -> None:
    ids = []
    for _ in range(2):
        docker.load_image(IMAGE, [layer], {"Cmd": ["/file"], "User": str(load().user_id)})
        ids.append(docker.image_id(IMAGE))
        engine.remove_images([IMAGE])
    assert ids[0] is not None
    assert ids[0] == ids[1]


def test_image_of_another_configuration_has_another_id(layer: Path) -> None:
    ids = set()
    for command in ("/file", "/other"):
        docker.load_image(IMAGE, [layer], {"Cmd": [command]})
        ids.add(docker.image_id(IMAGE))
    assert len(ids) == 2


def test_image_that_is_not_there_has_no_id() -> None:
    assert docker.image_id("nexus-test/never-made") is None


@pytest.mark.usefixtures("bases")
def test_wheel_that_is_not_the_locked_one_is_not_taken(tree: Path) -> None:
    share_all_but_wheelhouse(tree)
    leave_out_torch(tree)
    lock = tree / "apps" / load().apps[0].name / "requirements.txt"
    name, version = wheels.pins(lock)[0]
    entry = lock.read_text().split(f"{name}=={version} ", 1)[1].split("    # via", 1)[0]
    edit(lock, f"{name}=={version} {entry}", f"{name}=={version} --hash=sha256:{'0' * 64}\n")
    outcome = nexusctl(tree, "base", env=WHEELS_AT_HAND)
    assert outcome.status == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE" in outcome.err
    assert outcome.err.splitlines()[-1] == (
        "  to do: if a hash differs: run `make lock` where the change was meant, and refuse the package where it was not"
    )
    assert not (tree / ".nexus" / "base" / "wheels.tar").exists()


@pytest.mark.usefixtures("bases")
def test_lock_from_before_a_change_of_the_chassis_is_refused(tree: Path) -> None:
    share_all_but_wheelhouse(tree)
    leave_out_torch(tree)
    (wheel,) = (tree / ".nexus" / "wheels" / "internal").glob("*.whl")
    lock = tree / "apps" / load().apps[0].name / "requirements.txt"
    edit(lock, build_cache.file_sha256(wheel), "0" * 64)
    outcome = nexusctl(tree, "base", env=WHEELS_AT_HAND)
    name, version = wheel.name.split("-")[:2]
    assert outcome.err == (
        f"nexusctl: {lock.relative_to(tree)} was made for another {name.replace('_', '-')} {version}\n"
        f"  found: {wheel.name} has sha256 {build_cache.file_sha256(wheel)}, which the lock does not name\n"
        "  to do: run `make lock`, then commit the lock with the change\n"
    )


def test_internal_wheel_is_the_same_wherever_it_is_built(tree: Path) -> None:
    build = ["-c", "from nexusctl import chassis; from nexusctl.console import Steps; chassis.build(Steps())"]
    subprocess.run(
        [sys.executable, *build],
        env={**os.environ, "PYTHONPATH": str(tree / "tools"), "TZ": "Asia/Tokyo"},
        cwd=tree,
        check=True,
        capture_output=True,
    )
    made = {path.name: path.read_bytes() for path in (tree / ".nexus" / "wheels" / "internal").iterdir()}
    chassis.build(Steps())
    assert made == {path.name: path.read_bytes() for path in chassis.FOLDER.iterdir()}
