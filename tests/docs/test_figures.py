"""Figures in the documents are those that the workspace states."""

import re
import tomllib

from documents import BUILDING, README, code, fences, plain, table

from nexusctl.workspace import ROOT, load

SIZES = table(BUILDING, "Image sizes", "image")
ARCHITECTURE = ROOT / "docs" / "concepts" / "architecture.md"


def limits() -> dict[str, float]:
    of_services = {service.image: service.budget_mb for service in load().services}
    of_flavours = {flavour.name: flavour.budget_mb for flavour in load().flavours}
    return of_services | of_flavours | {base.image: base.budget_mb for base in load().bases if base.budget_mb}


def test_limits_of_images() -> None:
    images = map(plain, SIZES.column("image"))
    assert dict(zip(images, map(float, SIZES.column("limit")), strict=True)) == limits()


def test_no_size_is_above_its_limit() -> None:
    rows = zip(SIZES.column("image"), map(float, SIZES.column("MB")), map(float, SIZES.column("limit")), strict=True)
    assert [image for image, size, limit in rows if size > limit] == []


def test_picture_shows_each_service_and_worker_at_its_port() -> None:
    (picture,) = fences(README, "mermaid")
    drawn = set(re.findall(r"\[\(?([\w-]+)(?: :\d+)?\)?\]", picture))
    services, workers = load().services, load().workers
    assert {service.name for service in services} | {worker.name for worker in workers} <= drawn
    ports = set(map(int, re.findall(r":(\d{4})\b", picture)))
    assert ports == {service.port for service in services} | {worker.port for worker in workers}


def test_architecture_names_each_service_and_worker_with_its_port() -> None:
    text = ARCHITECTURE.read_text()
    named = dict(re.findall(r"([\w-]+) \((\d{4})\b", text))
    ports = {app.name: app.port for app in load().apps} | {worker.name: worker.port for worker in load().workers}
    assert {name: int(port) for name, port in named.items()} == {name: port for name, port in ports.items() if port}


def test_base_images_are_those_of_the_workspace() -> None:
    documented = [plain(cell) for cell in table(BUILDING, "Base images", "image").column("image")]
    assert documented == [base.image for base in load().bases]


def test_changelog_names_the_toolchain_that_is_built() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    toolchain = tomllib.loads((ROOT / "project.toml").read_text())["nexus"]["toolchain"]
    assert f"pack {toolchain['pack']} and lifecycle {toolchain['lifecycle']}" in text


def test_flavours_are_documented() -> None:
    commands = {word for piece in code(BUILDING) for word in piece.split()}
    assert {flavour.name for flavour in load().flavours} <= commands
