"""The table in NOTICE: third-party works in the images, and their licences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import StringIO

from packaging.utils import canonicalize_name
from rich.console import Console
from rich.table import Table

from nexusctl.errors import NexusError
from nexusctl.sbom.document import save
from nexusctl.sbom.inventory import Component, Inventory
from nexusctl.workspace import ROOT, load

NOTICE = ROOT / "NOTICE"
_BEGIN = "--- what images hold: written by `nexusctl sbom --notice` ---\n"
_END = "--- end of what images hold ---\n"
_WIDTH = 125


@dataclass
class _Work:
    """One row. Versions are left out, since Debian's change with the day on which a base image is made."""

    place: str
    licences: dict[str, None] = field(default_factory=dict)
    images: dict[str, None] = field(default_factory=dict)


def write(inventories: Sequence[Inventory]) -> None:
    """Write the table of these images into NOTICE."""
    before, _, after = _parts(NOTICE.read_text())
    save(NOTICE, f"{before}{_BEGIN}{tables(inventories)}{_END}{after}")


def current() -> str:
    """Return the tables that NOTICE has."""
    return _parts(NOTICE.read_text())[1]


def tables(inventories: Sequence[Inventory]) -> str:
    """Return the tables: Python distributions, then Debian's source packages."""
    distributions: dict[str, _Work] = {}
    sources: dict[str, _Work] = {}
    for inventory in inventories:
        for component in inventory.distributions:
            name = canonicalize_name(component["name"])
            _add(distributions, name, _licences(component), inventory, f"see the dist-info of {name}")
        for package in inventory.packages:
            _add(sources, package.source, package.licences, inventory, f"see {package.copyright}")
    return _table("Python distribution", distributions) + "\n" + _table("Debian source package", sources)


def _add(works: dict[str, _Work], name: str, licences: Iterable[str], inventory: Inventory, place: str) -> None:
    work = works.setdefault(name, _Work(place))
    work.licences |= dict.fromkeys(licences)
    work.images[inventory.reference.partition(":")[0]] = None


def _licences(component: Component) -> list[str]:
    return [
        entry["expression"] if "expression" in entry else entry["license"].get("id") or entry["license"]["name"]
        for entry in component.get("licenses", [])
    ]


def _table(title: str, works: dict[str, _Work]) -> str:
    grid = Table(title, "licences", "images", box=None, pad_edge=False)
    for name, work in sorted(works.items()):
        grid.add_row(name, ", ".join(work.licences) or work.place, _in_short(list(work.images)))
    text = StringIO()
    Console(file=text, width=_WIDTH, color_system=None).print(grid)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _in_short(images: list[str]) -> str:
    apps = [app.image for app in load().apps]
    if set(apps) <= set(images):
        images = ["all apps", *(image for image in images if image not in apps)]
    return ", ".join(images)


def _parts(text: str) -> tuple[str, str, str]:
    """Return the text before, between and after the two marks."""
    before, begin, rest = text.partition(_BEGIN)
    between, end, after = rest.partition(_END)
    if not (begin and end):
        raise NexusError(
            "NOTICE has no place for the table of licences",
            "one of its two marks is missing",
            f"insert these lines where it belongs:\n{_BEGIN}{_END}",
        )
    return before, between, after
