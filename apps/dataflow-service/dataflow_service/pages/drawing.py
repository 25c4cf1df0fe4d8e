"""Draws models: a box for each, with its fields. Lengths are in CSS pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow_service.registry.model import Field, Model

_HEADER = 32
_LINE = 22
_BASELINE = 6
_CHARACTER = 8.5  # in a fixed-width font of 14 px
_PADDING = 12
_GAP = 24
_MAX_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """A field in a box; `y` is the distance of its baseline from the top."""

    name: str
    type: str
    y: int


@dataclass(frozen=True, slots=True)
class Box:
    """A model. Its place is that of the upper left corner; below `header` are the fields."""

    name: str
    lines: Sequence[Line]
    x: int
    y: int
    width: int
    height: int
    header: int = _HEADER


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes, and the space that they take."""

    boxes: Sequence[Box]
    width: int
    height: int


def draw(models: Sequence[Model]) -> Drawing:
    """Return the drawing of models, in lines from left to right as long as they fit."""
    boxes: list[Box] = []
    x = y = bottom = 0
    for model in models:
        box = _box(model, x, y)
        if x and x + box.width > _MAX_WIDTH:
            box = _box(model, 0, bottom + _GAP)
        boxes.append(box)
        x, y, bottom = box.x + box.width + _GAP, box.y, max(bottom, box.y + box.height)
    return Drawing(boxes, max((box.x + box.width for box in boxes), default=0), bottom)


def _box(model: Model, x: int, y: int) -> Box:
    fields = enumerate(model.fields, 1)
    lines = [Line(field.name, _type(field), _HEADER + _LINE * number - _BASELINE) for number, field in fields]
    longest = max(len(model.name), *(len(line.name) + len(line.type) + 2 for line in lines))
    return Box(
        name=model.name,
        lines=lines,
        x=x,
        y=y,
        width=round(longest * _CHARACTER) + 2 * _PADDING,
        height=_HEADER + _LINE * len(lines) + _BASELINE,
    )


def _type(field: Field) -> str:
    return f"{field.sql_type}?" if field.nullable else field.sql_type
