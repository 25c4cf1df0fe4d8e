"""nexus/run-cuda: the run image with the CUDA libraries, on which Dockerfiles build for a GPU.

With pack the same libraries come from the buildpack nexus/accelerator, as a layer of the image that it builds.
"""

import os

from nexusctl import base_images, build_cache, docker, shell, wheels
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, STATE, load

RUN_IMAGE = "nexus/run-cuda"
WHEELHOUSE = "/wheels-cuda"
_LAYER = STATE / "base" / "cuda.tar"
_SITE_PACKAGES = "/cuda/site-packages"


def build(steps: Steps) -> None:
    """Build nexus/run-cuda if the run image, lock, prune list or installer changed."""
    run, build_image = load().base("nexus/run"), load().base("nexus/build")
    base_images.build(steps, (run, build_image))
    _make_layer(steps)
    run_layers = [base_images.ROOTS / f"{root}.tar" for root in run.roots]
    inputs = f"{docker.image_id(run.image)} {_LAYER.stat().st_mtime_ns}"
    if build_cache.is_current("image-nexus-run-cuda", f"{inputs} {docker.image_id(RUN_IMAGE)}"):
        return
    with steps.step(RUN_IMAGE):
        config = base_images.config(run)
        config["Env"].append(f"PYTHONPATH={_SITE_PACKAGES}")
        docker.load_image(RUN_IMAGE, [*run_layers, _LAYER], config)
    build_cache.finish("image-nexus-run-cuda", f"{inputs} {docker.image_id(RUN_IMAGE)}")


def _make_layer(steps: Steps) -> None:
    """Install the CUDA libraries as the buildpack does, in a container of the build image, and pack them as a layer."""
    folder = wheels.cuda_wheels(steps)
    sources = [ROOT / "buildpacks" / "accelerator", ROOT / "buildpacks" / "python" / "lib"]
    inputs = build_cache.digest(sources, docker.image_id("nexus/build") or "")
    if _LAYER.exists() and build_cache.is_current("cuda-layer", inputs):
        return
    partial = _LAYER.with_suffix(".partial")
    search = ":".join(f"/src/buildpacks/{name}/lib" for name in ("accelerator", "python"))
    script = (
        f"python3 -m nexus_accelerator.cuda /tmp/image/cuda && tar --create --file /out/{partial.name} --directory "
        "/tmp/image --sort=name --owner=0 --group=0 --numeric-owner --format=gnu cuda"
    )
    with steps.step("CUDA libraries"):
        shell.run(
            [
                *("docker", "run", "--rm", "--network", "none", "--user", f"{os.getuid()}:{os.getgid()}"),
                *("--volume", f"{ROOT}:/src:ro", "--volume", f"{folder}:{WHEELHOUSE}:ro"),
                *("--volume", f"{_LAYER.parent}:/out", "--env", f"PYTHONPATH={search}"),
                *("nexus/build", "sh", "-c", script),
            ],
            log="cuda-layer",
        )
    partial.replace(_LAYER)
    build_cache.finish("cuda-layer", inputs)
