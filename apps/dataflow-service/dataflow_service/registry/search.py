"""Search, which a class declares in `__search__`: Kailash has none. Its texts are searched together."""

from collections.abc import Mapping, Sequence
from typing import Any

from dataflow_service.registry.model import Field, Search
from nexus_chassis.errors import ConfigurationError

LANGUAGES = (
    *("simple", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german"),
    *("greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian"),
    *("portuguese", "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish"),
)
"""The configurations for full-text search that PostgreSQL 17 has; `simple` is of no language."""

_KEYS = frozenset({"fields", "language"})
_EXAMPLE = '{"fields": ["name", "description"], "language": "english"}'


def search(model: str, declaration: Any, fields: Sequence[Field]) -> Search | None:  # noqa: ANN401 - whatever a class declares
    """Return the search that a model declares.

    Raises:
        ConfigurationError: The declaration is none of a search.
    """
    if declaration is None:
        return None
    if not isinstance(declaration, Mapping):
        raise _unusable(model, declaration, "is no dict")
    names, language = declaration.get("fields"), declaration.get("language", "simple")
    if unknown := sorted(declaration.keys() - _KEYS):
        raise _unusable(model, declaration, f"has the unknown key {', '.join(unknown)}")
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise _unusable(model, declaration, "lacks fields, or has one twice")
    if language not in LANGUAGES:
        raise _unusable(model, declaration, f"has a language that is none of {', '.join(LANGUAGES)}")
    texts = {field.name: field for field in fields if field.sql_type == "text"}
    if strange := [name for name in names if str(name) not in texts]:
        raise _unusable(model, declaration, f"names {', '.join(map(str, strange))}, which is no text of the model")
    return Search(tuple(texts[name] for name in names), language)


def _unusable(model: str, declaration: object, reason: str) -> ConfigurationError:
    return ConfigurationError(f"The search {declaration} of the model {model} {reason}. Write it like {_EXAMPLE}.")
