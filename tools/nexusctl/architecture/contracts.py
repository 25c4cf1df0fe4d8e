"""The contracts of import-linter, made from the folders under apps/ and libs/: a new app or feature is covered at once.

Each app is in layers: `app.py`, endpoints, dependencies, `context.py`, service, repository, schemas, settings. Its folders
are features, which import nothing of each other; those that the features share are named in the app's pyproject.toml,
highest first: `[tool.nexus] shared = ["auth"]`.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Packages that do not have the layout yet: their layers and features are not checked. Empty this set once they have it.
LAYOUT_PENDING: frozenset[str] = frozenset()

CHASSIS, TESTKIT = "nexus_chassis", "nexus_testkit"
_PROTOCOL = "protocol"
# From the highest layer to the lowest; a name with a dot in front is a module of each feature.
_LAYERS = (
    ("__main__",),
    ("cli", "worker"),
    ("app",),
    ("problems", ".endpoints", ".commands"),
    (".dependencies",),
    ("context",),
    (".service",),
    (".repository",),
    (".schemas", ".models", ".errors"),
    ("settings",),
)
_OF_THE_APP = {name for names in _LAYERS for name in names}  # `cli` may be a folder, and is no feature
Contract = dict[str, Any]


def configurations(root: Path) -> dict[str, str]:
    """Return the files for import-linter by name: what is imported when it runs, and what for types as well."""
    packages = {folder.name: folder for folder in _packages(root)}
    laid_out = {name: folder for name, folder in packages.items() if name not in {*LAYOUT_PENDING, CHASSIS, TESTKIT}}
    running = [*_between_packages(list(packages)), *(item for app in laid_out.values() for item in _of_app(app))]
    for_types = [contract for app in laid_out.values() for contract in _of_features(app)]
    files = {"imports": _toml(list(packages), running, exclude_types=True)}
    return files | ({"imports-for-types": _toml(list(packages), for_types, exclude_types=False)} if for_types else {})


def import_paths(root: Path) -> list[Path]:
    """Return the folders in which the packages lie."""
    return sorted({folder.parent for folder in _packages(root)})


def _packages(root: Path) -> list[Path]:
    """Return the folder of each package, those of apps first."""
    apps = [path.parent for path in sorted(root.glob("apps/*/*/app.py"))]
    return [*apps, *(path.parent for path in sorted(root.glob("libs/*/src/*/__init__.py")))]


def _between_packages(packages: list[str]) -> list[Contract]:
    users = [name for name in packages if name != CHASSIS]
    return [
        {
            "name": "Apps and testkit stand on the chassis, and import nothing of each other",
            "type": "layers",
            "layers": [" | ".join(users), CHASSIS],
        },
        {
            "name": "No package has modules that import each other in a circle",
            "type": "acyclic_siblings",
            "ancestors": [name for name in packages if name not in LAYOUT_PENDING],
        },
    ]


def _of_app(app: Path) -> Iterator[Contract]:
    yield {
        "name": f"{app.name}: layers",
        "type": "layers",
        "containers": [app.name],
        "layers": [layer for names in _LAYERS if (layer := _layer(app, names))],
    }
    shared = _shared(app)
    features = [name for name in _features(app) if name not in shared]
    layers = [*([" | ".join(features)] if features else []), *shared]
    if len(features) + len(shared) > 1:
        yield {
            "name": f"{app.name}: features stand on {', '.join(shared) or 'nothing shared'}, and not on each other",
            "type": "layers",
            "containers": [app.name],
            "layers": layers,
        }
    if (app / _PROTOCOL).is_dir():
        yield _forbidden(f"{app.name}: the protocol knows nothing of the service", app, _PROTOCOL, _modules(app))


def _of_features(app: Path) -> Iterator[Contract]:
    """A feature may not even name a type of another one: it says what it needs as a Protocol of its own."""
    features = [name for name in _features(app) if name not in _shared(app)]
    for feature in features:
        yield _forbidden(f"{app.name}: {feature} names no type of another feature", app, feature, features)


def _forbidden(name: str, app: Path, source: str, others: list[str]) -> Contract:
    return {
        "name": name,
        "type": "forbidden",
        "source_modules": [f"{app.name}.{source}"],
        "forbidden_modules": [f"{app.name}.{other}" for other in others if other != source],
        "allow_indirect_imports": True,
    }


def _layer(app: Path, names: tuple[str, ...]) -> str:
    features = _features(app)
    modules = [
        module
        for name in names
        for module in ([f"{feature}{name}" for feature in features] if name.startswith(".") else [name])
        if _exists(app / module.replace(".", "/"))
    ]
    return " : ".join(modules)


def _features(app: Path) -> list[str]:
    folders = [path.name for path in sorted(app.iterdir()) if (path / "__init__.py").exists()]
    return [name for name in folders if name not in _OF_THE_APP]


def _shared(app: Path) -> list[str]:
    document = tomllib.loads((app.parent / "pyproject.toml").read_text())
    shared: list[str] = document.get("tool", {}).get("nexus", {}).get("shared", [])
    return shared


def _modules(app: Path) -> list[str]:
    return [path.stem for path in sorted(app.iterdir()) if _exists(path.with_suffix("")) and path.stem != "__init__"]


def _exists(module: Path) -> bool:
    return module.with_suffix(".py").exists() or (module / "__init__.py").exists()


def _toml(packages: list[str], contracts: list[Contract], *, exclude_types: bool) -> str:
    head = f"[tool.importlinter]\nroot_packages = {json.dumps(packages)}\n"
    head += f"exclude_type_checking_imports = {json.dumps(exclude_types)}\n"
    tables = ["".join(f"{key} = {json.dumps(value)}\n" for key, value in contract.items()) for contract in contracts]
    return head + "".join(f"\n[[tool.importlinter.contracts]]\n{table}" for table in tables)
