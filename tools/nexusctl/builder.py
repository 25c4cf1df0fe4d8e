"""nexus/builder: build image, lifecycle and own buildpacks in one image, made by pack."""

import shutil

from nexusctl import base, docker, shell, stamps, toolchain
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, load

BUILDPACKS = ROOT / "buildpacks"
_OWN = ("python", "healthcheck", "accelerator")


def build(steps: Steps) -> None:
    """Make the toolchain, the images that the builder stands on, and the builder, where something changed."""
    docker.require_engine()
    toolchain.build(steps)
    base.build(steps, (load().base("nexus/run"), load().base("nexus/build")))
    _place_probe()
    inputs = stamps.digest(
        [BUILDPACKS / "builder", *(BUILDPACKS / name for name in _OWN), toolchain.LIFECYCLE],
        *(docker.image_id(name) or "" for name in ("nexus/run", "nexus/build")),
    )
    if stamps.is_current("builder", f"{inputs} {docker.image_id(load().builder)}"):
        return
    with steps.step(load().builder):
        shell.run(
            ["pack", "builder", "create", load().builder, "--config", BUILDPACKS / "builder" / "builder.toml"],
            log="builder",
            env=toolchain.environment(),
        )
    stamps.finish("builder", f"{inputs} {docker.image_id(load().builder)}")


def _place_probe() -> None:
    target = BUILDPACKS / "healthcheck" / "bin" / "health-probe"
    if not target.exists() or target.read_bytes() != (base.ROOTS / "health-probe").read_bytes():
        shutil.copyfile(base.ROOTS / "health-probe", target)
        target.chmod(0o755)
