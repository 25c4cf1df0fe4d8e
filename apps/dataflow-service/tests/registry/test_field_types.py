"""Annotations: the columns they make, and what is said about those that make none."""

from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, Optional, TypedDict, Union
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, RootModel

from dataflow_service.registry.field_types import field_type
from nexus_chassis.errors import ConfigurationError


class Side(Enum):
    LEFT = "left"
    RIGHT = "right"
    ALSO_LEFT = "left"  # noqa: PIE796 - another name of the same


class Level(Enum):
    LOW = 1


class Point(BaseModel):
    x: int


class Place(TypedDict):
    at: Point


class Tree(BaseModel):
    branches: "list[Tree]" = []


class Shape(BaseModel):
    corner: complex


class Odd(TypedDict):
    shape: Shape


class Numbers(RootModel[list[int]]):
    pass


@pytest.mark.parametrize(
    ("annotation", "sql_type", "texts"),
    [
        (str | None, "text", ()),
        (Optional[Annotated[date, Field(title="x")]], "date", ()),  # noqa: UP045 - the other spelling
        (list[Decimal], "numeric[]", ()),
        (Annotated[list[UUID] | None, Field(max_length=3)], "uuid[]", ()),
        (list[Annotated[str, Field(max_length=3)]], "text[]", ()),
        (Side, "text", ("left", "right")),
        (Annotated[Side, Field(title="x")] | None, "text", ("left", "right")),
        (Literal["b", "a"], "text", ("b", "a")),
        (list[Literal["a"]], "text[]", ("a",)),
        (dict[str, Any], "jsonb", ()),
        (Point | None, "jsonb", ()),
        (Place, "jsonb", ()),
        (list[Point], "jsonb", ()),
        (Annotated[list[Place], Field(max_length=1)] | None, "jsonb", ()),
    ],
)
def test_an_annotation_makes_a_column(annotation: object, sql_type: str, texts: tuple[str, ...]) -> None:
    found = field_type("Drawing.part", annotation)
    assert (found.sql_type, found.texts) == (sql_type, texts)


KNOWN = (
    "Use one of str, bool, int, float, Decimal, datetime, date, UUID, dict, an Enum or Literal of texts, a BaseModel, a "
    "TypedDict, or a list of one of these, optionally with '| None'."
)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (complex, f"The field Drawing.part is annotated <class 'complex'>, for which no column type is known. {KNOWN}"),
        (list, f"The field Drawing.part is annotated <class 'list'>, for which no column type is known. {KNOWN}"),
        (
            Union[int, str],  # noqa: UP007 - the other spelling
            f"The field Drawing.part is annotated {Union[int, str]}, for which no column type is known. {KNOWN}",  # noqa: UP007 - as above
        ),
        (
            list[list[int]],
            (
                "The field Drawing.part is annotated list[list[int]]. Write a BaseModel or TypedDict for what is in the list, "
                "or make the field a dict."
            ),
        ),
        (
            list[dict[str, int]] | None,
            (
                "The field Drawing.part is annotated list[dict[str, int]] | None. Write a BaseModel or TypedDict for what is "
                "in the list, or make the field a dict."
            ),
        ),
        (
            list[int | None],
            (
                "The field Drawing.part is a list of int | None, and what is in a list is never null. "
                "Leave '| None' out of it."
            ),
        ),
        (Level, f"The field Drawing.part is annotated {Level}, whose values are 1. Use texts without U+0000."),
        (
            Literal["a", None],  # noqa: PYI061 - what is refused
            "The field Drawing.part is annotated typing.Literal['a', None], whose values are 'a', None. Use texts without U+0000.",
        ),
        (
            StrEnum("Nothing", []),
            "The field Drawing.part is annotated <enum 'Nothing'>, whose values are none. Use texts without U+0000.",
        ),
        (Tree, f"The field Tree.branches is annotated {Tree}, which contains itself. Use a dict for it."),
        (Odd, f"The field Shape.corner is annotated <class 'complex'>, for which no column type is known. {KNOWN}"),
        (Numbers, f"The field Drawing.part is annotated {Numbers}, for which no column type is known. {KNOWN}"),
    ],
)
def test_an_annotation_that_makes_no_column_is_explained(annotation: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        field_type("Drawing.part", annotation)
    assert str(caught.value) == message
