"""Comparison of the images of two engines."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nexusctl import shell
from nexusctl.reproduce.engine import Engine
from nexusctl.reproduce.layer import Difference, first_difference

# Written by the engine's own builder: the container and the image of the last step.
_OF_BUILDER = {"Hostname", "Image"}


@dataclass(frozen=True)
class Verdict:
    """One image of both builds; `difference` is None if layers and configuration are equal."""

    image: str
    layers: int
    same_id: bool
    difference: Difference | None = None


def compare(engines: tuple[Engine, Engine], scratch: Path) -> list[Verdict]:
    """Compare all images of two engines; `scratch` is a folder for unpacked layers."""
    held = [_images(engine) for engine in engines]
    return [_verdict(image, engines, held, scratch) for image in sorted({*held[0], *held[1]})]


def _images(engine: Engine) -> list[str]:
    # An image without a tag is a stage of a Dockerfile.
    listing = ("images", "--filter", "dangling=false", "--format", "{{.Repository}}:{{.Tag}}")
    return shell.capture(engine.command(*listing)).split()


def _verdict(image: str, engines: tuple[Engine, Engine], held: Sequence[Sequence[str]], scratch: Path) -> Verdict:
    for engine, images in zip(engines, held, strict=True):
        if image not in images:
            return Verdict(image, 0, same_id=False, difference=Difference(f"the {engine.name} build lacks it"))
    first, second = (json.loads(shell.capture(engine.command("image", "inspect", image)))[0] for engine in engines)
    difference = _difference(image, (first, second), engines, scratch)
    return Verdict(image, len(first["RootFS"]["Layers"]), first["Id"] == second["Id"], difference)


def _difference(
    image: str, documents: tuple[dict[str, Any], dict[str, Any]], engines: tuple[Engine, Engine], scratch: Path
) -> Difference | None:
    first, second = documents
    for index, (left, right) in enumerate(zip_longest(first["RootFS"]["Layers"], second["RootFS"]["Layers"])):
        if left != right:
            return _in_layer(image, index, engines, scratch)
    settings = _differing(first["Config"], second["Config"])
    return Difference(f"configuration: {', '.join(settings)}") if settings else None


def _differing(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    names = sorted({*first, *second} - _OF_BUILDER)
    return [name for name in names if first.get(name) != second.get(name)]


def _in_layer(image: str, index: int, engines: tuple[Engine, Engine], scratch: Path) -> Difference:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        saved = {engine.name: _saved_layers(engine, image, Path(folder, engine.name)) for engine in engines}
        for name, layers in saved.items():
            if index >= len(layers):
                return Difference(f"layer {index + 1}: the {name} build lacks it")
        found = first_difference({name: layers[index] for name, layers in saved.items()})
    return Difference(f"layer {index + 1}: {found.what}", found.detail)


def _saved_layers(engine: Engine, image: str, folder: Path) -> list[Path]:
    """Unpack an image into `folder`; return its layers, from the lowest up."""
    archive = folder.with_suffix(".tar")
    shell.capture(engine.command("save", "--output", str(archive), image))
    folder.mkdir()
    shell.capture(["tar", "--extract", "--file", archive, "--directory", folder])
    manifest = json.loads((folder / "manifest.json").read_text())
    return [folder / layer for layer in manifest[0]["Layers"]]
