"""FastAPI runs a plain `def` dependency in a thread of its own for each request; this check finds them.

The tree may use syntax that this machine's Python does not know, so libcst reads it, which has a parser of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import libcst as cst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider

_MARKER = m.Call(func=m.Name("Depends") | m.Name("Security") | m.Attribute(attr=m.Name("Depends") | m.Name("Security")))
_WORDS = ("Depends(", "Security(")


def blocking(root: Path, *, without: frozenset[str] = frozenset()) -> list[str]:
    """Return `path:line: what` for each dependency that is not found to be an `async def`; `without` names packages."""
    folders = [*root.glob("apps/*/*"), *root.glob("libs/*/src/*")]
    packages = {path.name: path for path in folders if (path / "__init__.py").exists()}
    tree = _Tree(packages)
    sources = (path for name in packages if name not in without for path in packages[name].rglob("*.py"))
    return [f"{path.relative_to(root)}:{found}" for path in sorted(sources) for found in tree.blocking(path)]


class _Tree:
    """The modules of the packages, each read once."""

    def __init__(self, packages: dict[str, Path]) -> None:
        self._packages = packages
        self._modules: dict[Path, MetadataWrapper] = {}

    def blocking(self, path: Path) -> Iterator[str]:
        """Yield `line: what` for the dependencies in a module."""
        if not any(word in path.read_text() for word in _WORDS):
            return
        wrapper = self._read(path)
        positions = wrapper.resolve(PositionProvider)
        for call in m.findall(wrapper.module, _MARKER):
            if complaint := self._complaint(path, cst.ensure_type(call, cst.Call)):
                yield f"{positions[call].start.line}: {complaint}"

    def _complaint(self, path: Path, call: cst.Call) -> str | None:
        if not call.args:
            return "the dependency is a class: write an `async def` that returns it"
        given = call.args[0].value
        name = cst.Module([]).code_for_node(given)
        if isinstance(given, cst.Name):
            return self._of_definition(name, self._definition(path, given.value))
        if isinstance(given, cst.Call) and isinstance(given.func, cst.Name):
            return self._of_factory(name, self._definition(path, given.func.value))
        return f"`{name}` is not the name of an `async def`"

    def _of_definition(self, name: str, found: cst.CSTNode | None) -> str | None:
        if isinstance(found, cst.FunctionDef):
            return None if found.asynchronous else f"`{name}` is a plain `def`: make it `async def`"
        if isinstance(found, cst.ClassDef):
            return f"`{name}` is a class: write an `async def` that returns it"
        return f"`{name}` is not defined in this tree as an `async def`"

    def _of_factory(self, name: str, found: cst.CSTNode | None) -> str | None:
        """A factory is accepted if every function in it is asynchronous and it returns one of them."""
        if not isinstance(found, cst.FunctionDef):
            return self._of_definition(name, found)
        inner = {item.name.value: item for item in _definitions(found.body)}
        returned = m.findall(found.body, m.Return(value=m.Name()))
        names = [
            item.value.value for item in returned if isinstance(item, cst.Return) and isinstance(item.value, cst.Name)
        ]
        functions = [inner[item] for item in names if item in inner]
        if not functions:
            return f"`{name}` does not return a function of its own"
        return next((problem for item in functions if (problem := self._of_definition(name, item))), None)

    def _definition(self, path: Path, name: str) -> cst.CSTNode | None:
        """Return the definition of a module's name, in whichever module of the tree it is."""
        module = self._read(path).module
        for node in _definitions(module):
            if node.name.value == name:
                return node
        for statement in (cst.ensure_type(node, cst.ImportFrom) for node in m.findall(module, m.ImportFrom())):
            for original in _imported_as(statement, name):
                source = self._file(cst.Module([]).code_for_node(statement.module) if statement.module else "")
                return self._definition(source, original) if source else None
        return None

    def _file(self, module: str) -> Path | None:
        package, _, rest = module.partition(".")
        if package not in self._packages:
            return None
        base = self._packages[package].joinpath(*rest.split(".")) if rest else self._packages[package]
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)

    def _read(self, path: Path) -> MetadataWrapper:
        if path not in self._modules:
            self._modules[path] = MetadataWrapper(cst.parse_module(path.read_text()), unsafe_skip_copy=True)
        return self._modules[path]


def _definitions(body: cst.Module | cst.BaseSuite) -> Iterator[cst.FunctionDef | cst.ClassDef]:
    """Yield the functions and classes that stand directly in a module or a function."""
    yield from (node for node in body.body if isinstance(node, cst.FunctionDef | cst.ClassDef))


def _imported_as(statement: cst.ImportFrom, name: str) -> Iterator[str]:
    """Yield what a name is called where it comes from, if this statement imports it."""
    if isinstance(statement.names, cst.ImportStar):
        return
    for alias in statement.names:
        if (alias.evaluated_alias or alias.evaluated_name) == name:
            yield alias.evaluated_name
