"""Kailash DataFlow: the decorator that registers models and generates their nodes (kailash_nodes.py). Nothing else of it is used.

The service owns its SQL, its pool and its migrations. The framework therefore gets an address that cannot be reached
(`.invalid`, RFC 2606): whatever it might try, it opens no connection, introspects no schema and changes no table.
"""

import importlib
import logging
import pkgutil
from dataclasses import dataclass
from typing import Any

from kailash.nodes.base import NodeRegistry  # type: ignore[import-untyped]

from dataflow_service.registry.kailash_nodes import ServiceDataFlow

logging.getLogger("kailash").setLevel(logging.WARNING)  # it logs connection managers that are never used

db: Any = ServiceDataFlow(
    "postgresql://kailash:none@never.invalid:5432/opened",
    auto_migrate=False,
    migration_enabled=False,
    enable_model_persistence=False,
    cache_enabled=False,
    pool_size=1,  # without a size the framework asks the database how many connections it allows
    max_overflow=0,
)
"""What model files decorate with: `@db.model`."""


@dataclass(frozen=True, slots=True)
class GeneratedNode:
    """A workflow node that Kailash generated for one model. `parameters` are name -> {"type", "required"}."""

    name: str
    model: str
    operation: str
    parameters: dict[str, dict[str, Any]]


def discover(package: str) -> list[type]:
    """Import each module of a package and return the model classes that it registers, by name.

    Raises:
        ModuleNotFoundError: There is no such package, or a model file imports what is not installed.
    """
    root = importlib.import_module(package)
    for module in pkgutil.iter_modules(getattr(root, "__path__", []), f"{package}."):
        importlib.import_module(module.name)
    models: dict[str, type] = db.get_models()
    return [models[name] for name in sorted(models) if f"{models[name].__module__}.".startswith(f"{package}.")]


def table_of(model: type) -> str:
    """Return the table that Kailash assigns to a model: `__tablename__`, or the plural of the class name."""
    table: str = db.get_model_info(model.__name__)["table_name"]
    return table


def fields_of(model: type) -> list[str]:
    """Return the fields that Kailash registered for a model, in the order of the class."""
    return list(db.get_model_fields(model.__name__))


def indexes_of(model: type) -> list[dict[str, Any]]:
    """Return the indexes that a model declares in `__indexes__`, Kailash's notation: name, fields, unique."""
    return list(getattr(model, "__indexes__", []))


def relations_of(model: type) -> list[dict[str, Any]]:
    """Return the relations that a model declares in `__relations__`, which is this service's own: see relations.py."""
    return list(getattr(model, "__relations__", []))


def search_of(model: type) -> Any:  # noqa: ANN401 - whatever the class declares
    """Return the search that a model declares in `__search__`, which is this service's own: see search.py."""
    return getattr(model, "__search__", None)


def requires_if_match(model: type) -> bool:
    """Whether a model declares `__require_if_match__`, which is this service's own: Kailash has no such option."""
    return bool(getattr(model, "__require_if_match__", False))


def is_multi_tenant(model: type) -> bool:
    """Whether the rows of a model belong to tenants: all do, unless it declares `__dataflow__ = {"multi_tenant": False}`."""
    return bool(getattr(model, "__dataflow__", {}).get("multi_tenant", True))


def nodes_by_model() -> dict[str, list[GeneratedNode]]:
    """Return the nodes that Kailash registered for each model, in the order they were generated."""
    found: dict[str, list[GeneratedNode]] = {}
    for name, node in NodeRegistry.list_nodes().items():
        if name in db._nodes and hasattr(made := node(), "model_name"):  # noqa: SLF001 - the public accessor names nine of the eleven
            found.setdefault(made.model_name, []).append(_describe(name, made))
    return found


def _describe(name: str, node: Any) -> GeneratedNode:  # noqa: ANN401 - generated class without a type
    parameters = {
        key: {"type": _type_name(found.type), "required": found.required}
        for key, found in node.get_parameters().items()
    }
    return GeneratedNode(name=name, model=node.model_name, operation=node.operation, parameters=parameters)


def _type_name(annotation: Any) -> str:  # noqa: ANN401 - an annotation is any object
    return str(getattr(annotation, "__name__", annotation))
