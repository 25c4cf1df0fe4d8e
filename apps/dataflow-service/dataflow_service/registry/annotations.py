"""What an annotation is below `Annotated` and `| None`."""

import types
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

from pydantic import BaseModel, RootModel

_UNIONS = frozenset({Union, types.UnionType})


def bare(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    """Return what is below `Annotated` and `| None`; of other unions, `object`."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in _UNIONS:
        others = [part for part in get_args(annotation) if part is not types.NoneType]
        return bare(others[0]) if len(others) == 1 else object
    return annotation


def replaced(annotation: Any, new: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    """Return the annotation with `new` where `bare` finds its type."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return Annotated[replaced(inner, new), *metadata]
    if get_origin(annotation) in _UNIONS:
        other = next(part for part in get_args(annotation) if part is not types.NoneType)
        return replaced(other, new) | None
    return new


def plain_type(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    """Return the type below `Annotated` and `| None`, without its arguments."""
    found = bare(annotation)
    return get_origin(found) or found


def is_nullable(annotation: Any) -> bool:  # noqa: ANN401 - an annotation is any object
    """Whether a field may be null."""
    if get_origin(annotation) is Annotated:
        return is_nullable(get_args(annotation)[0])
    return get_origin(annotation) in _UNIONS and types.NoneType in get_args(annotation)


def is_class_of_members(kind: Any) -> bool:  # noqa: ANN401 - an annotation is any object
    """Whether a type is a class with named members: a pydantic model or a TypedDict."""
    return is_typeddict(kind) or (
        isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, RootModel)
    )


def choices(annotation: Any) -> tuple[Any, ...] | None:  # noqa: ANN401 - an annotation is any object
    """Return the values of an Enum or a Literal; None for other types."""
    found = bare(annotation)
    if get_origin(found) is Literal:
        return get_args(found)
    if isinstance(found, type) and issubclass(found, Enum):
        return tuple(member.value for member in found)
    return None
