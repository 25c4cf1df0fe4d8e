"""Each image is within its budget in project.toml."""

import pytest
from harness.figures import Figures

from nexusctl import docker, images
from nexusctl.workspace import Base, Flavour, Service, load


@pytest.mark.parametrize("service", load().services, ids=lambda service: service.name)
def test_service_image_is_within_its_budget(service: Service, tag: str, build_path: str, figures: Figures) -> None:
    if service.kind == "store" and build_path != "pack":
        pytest.skip("stores are built by Dockerfile alone: the same image on both paths")
    image = f"{service.image}:{'latest' if service.kind == 'store' else tag}"
    size = docker.image_megabytes(image)
    figures.at_most(f"size of {image}", size, service.budget_mb, "MB")


@pytest.mark.usefixtures("tag")
@pytest.mark.parametrize("flavour", load().flavours_of_workers, ids=lambda flavour: flavour.name)
def test_image_of_a_worker_is_within_its_budget(flavour: Flavour, build_path: str, figures: Figures) -> None:
    image = images.flavour_reference(flavour, use_pack=build_path == "pack")
    figures.at_most(f"size of {image}", docker.image_megabytes(image), flavour.budget_mb, "MB")


@pytest.mark.parametrize("base", [base for base in load().bases if base.budget_mb], ids=lambda base: base.image)
def test_base_image_is_within_its_budget(base: Base, figures: Figures) -> None:
    if docker.image_id(base.image) is None:
        pytest.skip(f"{base.image} is not built: `make base`")
    size = docker.image_megabytes(base.image)
    assert base.budget_mb is not None
    figures.at_most(f"size of {base.image}", size, base.budget_mb, "MB")
