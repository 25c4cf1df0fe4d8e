"""The problem types (RFC 9457) that a package answers, read from its calls of `Problem(status, type, title, ...)`."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

_SHOWN = 3  # status, type and title are the first arguments


@dataclass(frozen=True, order=True)
class ProblemType:
    """One `type` with the status and title that go with it."""

    type: str
    status: int
    title: str


def problem_types(folder: Path) -> list[ProblemType]:
    """Return the problem types of all modules below `folder`, sorted.

    A call whose arguments are parameters of its function counts once for each call of that function with literals.
    """
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted(folder.rglob("*.py"))]
    return sorted({problem for tree in trees for problem in _of_module(tree)})


def _of_module(tree: ast.Module) -> Iterator[ProblemType]:
    for call in _calls(tree, "Problem"):
        yield from _problem(call.args, {})
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _of_function(tree, function)


def _of_function(tree: ast.Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ProblemType]:
    parameters = [argument.arg for argument in function.args.args]
    known = _assigned(function)
    for inner in _calls(function, "Problem"):
        yield from _problem(inner.args, known)
        for outer in _calls(tree, function.name):
            given = [_value(argument, {}) for argument in outer.args]
            yield from _problem(inner.args, {**known, **dict(zip(parameters, given, strict=False))})


def _assigned(function: ast.AST) -> dict[str, object]:
    """Return the names that a function sets to literals."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _value(argument: ast.expr, known: dict[str, object]) -> object:
    """Return the value of a literal, or of a name that is known; None for others."""
    if isinstance(argument, ast.Constant):
        return argument.value
    return known.get(argument.id) if isinstance(argument, ast.Name) else None


def _problem(arguments: list[ast.expr], known: dict[str, object]) -> Iterator[ProblemType]:
    """Give the problem type of a call, if status, type and title are known; a title may be the status's phrase."""
    status, slug, title = [*(_value(argument, known) for argument in arguments), None, None, None][:_SHOWN]
    if not isinstance(status, int) or not isinstance(slug, str):
        return
    if isinstance(title, str):
        yield ProblemType(slug, status, title)
    elif isinstance(arguments[2], ast.Attribute) and arguments[2].attr == "phrase":
        yield ProblemType(slug, status, HTTPStatus(status).phrase)
