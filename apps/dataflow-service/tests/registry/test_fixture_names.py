"""Models of all tests share one process and so one registry, in which a name is a class."""

import ast
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent.parent


def _models(path: Path) -> list[str]:
    classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    return [node.name for node in classes if "db.model" in map(ast.unparse, node.decorator_list)]


def test_no_two_models_of_fixtures_have_the_same_name() -> None:
    names = Counter(name for path in TESTS.glob("*/fixtures/**/*.py") for name in _models(path))
    assert names["Comment"] == 1
    assert [name for name, count in names.items() if count > 1] == []
