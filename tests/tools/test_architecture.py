"""The rules of the layout: an import that is not allowed is found in whichever app, and so is a dependency that blocks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nexusctl.architecture import contracts
from nexusctl.architecture.dependencies import blocking

ENDPOINTS = "from fastapi import APIRouter, Depends\nfrom {app}.{feature}.dependencies import get_service\n"
APP = {
    "pyproject.toml": '[tool.nexus]\nshared = ["auth"]\n',
    "shop/__init__.py": "",
    "shop/app.py": "from shop.context import Context\nfrom shop.orders import endpoints\nfrom shop import problems, settings\n",
    "shop/settings.py": "",
    "shop/problems.py": "from shop.orders.errors import OrderError\n",
    "shop/context.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.orders.service import Orders\n"
        "    from shop.prices.service import Prices\nclass Context: ...\n"
    ),
    "shop/auth/__init__.py": "",
    "shop/auth/scopes.py": "",
    "shop/orders/__init__.py": "",
    "shop/orders/endpoints.py": "from shop.auth import scopes\nfrom shop.orders.dependencies import get_orders\n",
    "shop/orders/dependencies.py": "from shop.context import Context\nasync def get_orders(): ...\n",
    "shop/orders/service.py": "from shop.orders import errors, repository\nclass Orders: ...\n",
    "shop/orders/repository.py": "from shop.orders import models\n",
    "shop/orders/models.py": "",
    "shop/orders/errors.py": "class OrderError: ...\n",
    "shop/prices/__init__.py": "",
    "shop/prices/service.py": "class Prices: ...\n",
    "shop/protocol/__init__.py": "",
    "shop/protocol/messages.py": "from nexus_chassis import errors\n",
}
FORBIDDEN = {
    "an app imports another": ("shop/settings.py", "import bank.settings", "shop is not allowed to import bank"),
    "the chassis imports an app": (
        "nexus_chassis/errors.py",
        "import shop",
        "nexus_chassis is not allowed to import shop",
    ),
    "a service imports endpoints": (
        "shop/orders/service.py",
        "import shop.orders.endpoints",
        "shop.orders.service is not allowed to import shop.orders.endpoints",
    ),
    "a repository imports a service": (
        "shop/orders/repository.py",
        "import shop.orders.service",
        "shop.orders.repository is not allowed to import shop.orders.service",
    ),
    "a service imports the context": (
        "shop/orders/service.py",
        "import shop.context",
        "shop.orders.service is not allowed to import shop.context",
    ),
    "a feature imports a sibling": (
        "shop/orders/service.py",
        "import shop.prices.service",
        "shop.orders is not allowed to import shop.prices",
    ),
    "a feature names a type of a sibling": (
        "shop/orders/service.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shop.prices.service",
        "shop.orders is not allowed to import shop.prices",
    ),
    "what is shared imports a feature": (
        "shop/auth/scopes.py",
        "import shop.prices.service",
        "shop.auth is not allowed to import shop.prices",
    ),
    "the protocol imports the app": (
        "shop/protocol/messages.py",
        "import shop.settings",
        "shop.protocol is not allowed to import shop.settings",
    ),
    "two modules import each other": (
        "shop/orders/models.py",
        "import shop.orders.errors\n# and\n",
        "No cycles are allowed in shop.orders",
    ),
}


@pytest.fixture
def small_tree(tmp_path: Path) -> Path:
    """A tree with two apps and a chassis that keep every rule."""
    chassis = {f"libs/chassis/src/nexus_chassis/{name}.py": "" for name in ("__init__", "errors")}
    bank = {f"apps/bank/{path.replace('shop', 'bank')}": text.replace("shop", "bank") for path, text in APP.items()}
    for path, text in {**{f"apps/shop/{path}": text for path, text in APP.items()}, **bank, **chassis}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def lint_imports(tree: Path) -> tuple[int, str]:
    """Return exit status and output of import-linter, in which a line may be broken anywhere."""
    files = [tree / f"{name}.toml" for name in contracts.configurations(tree)]
    for path, text in zip(files, contracts.configurations(tree).values(), strict=True):
        path.write_text(text)
    paths = os.pathsep.join(map(str, contracts.import_paths(tree)))
    command: list[str | Path] = [Path(sys.executable).with_name("lint-imports"), "--no-cache", *files]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, " ".join(done.stdout.split())


def test_tree_that_keeps_the_rules_passes(small_tree: Path) -> None:
    status, output = lint_imports(small_tree)
    assert status == 0, output
    assert "0 broken" in output


@pytest.mark.parametrize("case", FORBIDDEN)
def test_forbidden_import_is_found(small_tree: Path, case: str) -> None:
    place, statement, complaint = FORBIDDEN[case]
    path = next(path for path in small_tree.rglob(place.rpartition("/")[2]) if str(path).endswith(place))
    path.write_text(f"{path.read_text()}{statement}\n")
    if case == "two modules import each other":
        (path.parent / "errors.py").write_text("import shop.orders.models\nclass OrderError: ...\n")
    status, output = lint_imports(small_tree)
    assert status == 1, output
    assert complaint in output


@pytest.mark.parametrize(
    ("dependency", "complaint"),
    [
        ("async def get(): ...\nrouter = Depends(get)", None),
        ("async def get(): yield\nrouter = Depends(get)", None),
        ("from nexus_chassis.errors import get\nrouter = Depends(get)", None),
        ("from nexus_chassis.errors import get as other\nrouter = Security(other)", None),
        ("def factory():\n    async def get(): ...\n    return get\nrouter = Depends(factory())", None),
        ("type New[T] = list[T]\ndef get(): ...\nrouter = Depends(get)", "`get` is a plain `def`: make it `async def`"),
        (
            "def factory():\n    def get(): ...\n    return get\nrouter = Depends(factory())",
            "`factory()` is a plain `def`: make it `async def`",
        ),
        ("class Get: ...\nrouter = Depends(Get)", "`Get` is a class: write an `async def` that returns it"),
        ("router = Depends()", "the dependency is a class: write an `async def` that returns it"),
        (
            "from nexus_chassis.errors import plain\nrouter = Depends(plain)",
            "`plain` is a plain `def`: make it `async def`",
        ),
        ("from elsewhere import get\nrouter = Depends(get)", "`get` is not defined in this tree as an `async def`"),
        ("router = Depends(lambda: 1)", "`lambda: 1` is not the name of an `async def`"),
    ],
)
def test_dependency_that_blocks_is_found(small_tree: Path, dependency: str, complaint: str | None) -> None:
    (small_tree / "libs/chassis/src/nexus_chassis/errors.py").write_text("async def get(): ...\ndef plain(): ...\n")
    path = small_tree / "apps/shop/shop/orders/endpoints.py"
    path.write_text(f"{dependency}\n")
    line = len(dependency.splitlines())
    assert blocking(small_tree) == ([f"apps/shop/shop/orders/endpoints.py:{line}: {complaint}"] if complaint else [])
    assert blocking(small_tree, without=frozenset({"shop"})) == []
