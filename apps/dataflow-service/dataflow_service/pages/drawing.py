"""Draws models: a box for each, with its fields, and a line for each relation. Lengths are in CSS pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow_service.registry.model import Field, Model, Relation

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
class Link:
    """A relation: `path` leads from the field of a box to the model that it refers to, where it ends in a dot at `x` and `y`."""

    field: str
    model: str
    path: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes, the links between them, and the space that they take."""

    boxes: Sequence[Box]
    links: Sequence[Link]
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
    by_name = {box.name: box for box in boxes}
    links = [_link(relation, by_name) for model in models for relation in model.relations]
    width = max((box.x + box.width for box in boxes), default=0)
    return Drawing(boxes, links, width + (_GAP if links else 0), bottom)


def _link(relation: Relation, boxes: Mapping[str, Box]) -> Link:
    """Lead from the side of a box that is next to the other one; on the right of both where they are one above the other."""
    source, target = boxes[relation.model.name], boxes[relation.target.name]
    line = next(line for line in source.lines if line.name == relation.field.name)
    from_left, to_left = target.x + target.width < source.x, source.x + source.width < target.x
    x, y = source.x + (0 if from_left else source.width), source.y + line.y - _BASELINE
    end_x, end_y = target.x + (0 if to_left else target.width), target.y + _HEADER // 2
    bend, end_bend = x + (-_GAP if from_left else _GAP), end_x + (-_GAP if to_left else _GAP)
    path = f"M{x} {y}C{bend} {y} {end_bend} {end_y} {end_x} {end_y}"
    return Link(f"{relation.model.name}.{relation.field.name}", relation.target.name, path, end_x, end_y)


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
