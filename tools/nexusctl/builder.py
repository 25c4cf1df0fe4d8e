"""nexus/builder: the build image, the lifecycle and our buildpacks in one image, built by pack."""

import shutil

from nexusctl import base_images, build_cache, docker, toolchain
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, STATE, load

BUILDPACKS = ROOT / "buildpacks"
_OWN = ("python", "healthcheck", "accelerator")


def build(steps: Steps) -> None:
    """Build the toolchain, the base images of the builder, and the builder, if something changed."""
    docker.require_engine()
    toolchain.build(steps)
    base_images.build(steps, (load().base("nexus/run"), load().base("nexus/build")))
    _place_probe()
    _assemble_accelerator()
    inputs = build_cache.digest(
        [BUILDPACKS / "builder", *(BUILDPACKS / name for name in _OWN), toolchain.LIFECYCLE],
        *(docker.image_id(name) or "" for name in ("nexus/run", "nexus/build")),
    )
    if build_cache.is_current("builder", f"{inputs} {docker.image_id(load().builder)}"):
        return
    with steps.step(load().builder):
        toolchain.run_pack(
            "builder", "create", load().builder, "--config", BUILDPACKS / "builder" / "builder.toml", log="builder"
        )
    build_cache.finish("builder", f"{inputs} {docker.image_id(load().builder)}")


def _place_probe() -> None:
    target = BUILDPACKS / "healthcheck" / "bin" / "health-probe"
    if not target.exists() or target.read_bytes() != (base_images.ROOTS / "health-probe").read_bytes():
        shutil.copyfile(base_images.ROOTS / "health-probe", target)
        target.chmod(0o755)


def _assemble_accelerator() -> None:
    """Copy the installer of nexus/python into nexus/accelerator, which uses it: in a builder each buildpack is separate."""
    target = STATE / "buildpacks" / "accelerator"
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(BUILDPACKS / "accelerator", target, ignore=leave_out)
    shutil.copytree(BUILDPACKS / "python" / "lib" / "nexus_python", target / "lib" / "nexus_python", ignore=leave_out)
