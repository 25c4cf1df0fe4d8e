"""Names of components: each service's have its name in front, so that none is there twice."""

from collections.abc import Iterable, Iterator
from typing import Any

_COMPONENTS = "#/components/"
_BETWEEN_WORDS = str.maketrans("-_.", "   ")


def prefixed(service: str, name: str) -> str:
    """`PriceListPage` for the component `Page` of the service `price-list`."""
    return service.translate(_BETWEEN_WORDS).title().replace(" ", "") + name


def with_prefix(value: Any, service: str) -> Any:  # noqa: ANN401  any JSON value
    """A part of a service's document, in which references lead to the components' new names."""
    if isinstance(value, dict):
        return {key: _renamed(key, part, service) for key, part in value.items()}
    if isinstance(value, list):
        return [with_prefix(part, service) for part in value]
    return value


def _renamed(key: str, part: Any, service: str) -> Any:  # noqa: ANN401  any JSON value
    if key == "$ref" and isinstance(part, str):
        return _new_reference(part, service)
    if key == "mapping" and isinstance(part, dict):  # of a discriminator
        return {name: _new_reference(to, service) if isinstance(to, str) else to for name, to in part.items()}
    return with_prefix(part, service)


def _new_reference(reference: str, service: str) -> str:
    section, _, name = reference.removeprefix(_COMPONENTS).partition("/")
    if not reference.startswith(_COMPONENTS) or not name:
        return reference
    return f"{_COMPONENTS}{section}/{prefixed(service, name)}"


def references(value: Any) -> Iterator[str]:  # noqa: ANN401  any JSON value
    """The components that a part of a document refers to, as `section/name`."""
    parts: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from references(part)
    if isinstance(value, dict) and isinstance(reference := value.get("$ref"), str):
        yield reference.removeprefix(_COMPONENTS)


def used_components(document: dict[str, Any]) -> dict[str, Any]:
    """The components that the document's paths need, directly or by way of others."""
    components: dict[str, Any] = document.get("components", {})
    needed: set[str] = set()
    waiting = set(references(document["paths"]))
    while waiting:
        needed |= waiting
        found = (_component(components, path) for path in waiting)
        waiting = {reference for component in found for reference in references(component)} - needed
    return {
        section: kept
        for section, members in components.items()
        if (kept := {name: value for name, value in members.items() if f"{section}/{name}" in needed})
    }


def _component(components: dict[str, Any], path: str) -> Any:  # noqa: ANN401  any JSON value
    section, _, name = path.partition("/")
    return components.get(section, {}).get(name)
