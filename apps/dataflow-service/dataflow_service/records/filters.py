"""Makes filters of parsed JSON, and names what is wrong with one by its place."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from dataflow_service.records.errors import MAX_FAULTS, Fault, InvalidQueryError
from dataflow_service.records.parsing import Place
from dataflow_service.records.query import AllOf, AnyOf, Comparison, Filter, Not, Operator
from dataflow_service.registry.json_values import MAX_DEPTH as MAX_PATH
from dataflow_service.registry.json_values import check_text, json_text
from dataflow_service.registry.model import Field, Model
from dataflow_service.registry.validation import check_value

MAX_DEPTH = 8
"""Levels of $and, $or and $not inside each other."""

MAX_CONDITIONS = 100
"""Comparisons in one filter."""

_MAX_NAME_LENGTH = 100
_OPERATORS: tuple[Operator, ...] = get_args(Operator.__value__)
_OF_ALL = frozenset({"$eq", "$ne", "$null"})
_PATTERNS = frozenset({"$like", "$ilike"})
_LISTS = frozenset({"$in", "$nin"})
_NULL_OF: Mapping[str, bool] = {"$eq": True, "$ne": False}


def parse_filter(model: Model, document: object, place: Place) -> Filter:
    """Return the filter that a JSON value describes. `place` is where in the request it is.

    Raises:
        InvalidQueryError: It is no filter for the rows of the model.
    """
    reader = _Reader(model)
    found = reader.read(document, place, 0)
    if reader.faults:
        raise InvalidQueryError(reader.faults)
    return found


class _Reader:
    """Reads one filter. What is wrong is noted in `faults`, and stands for every row until the end."""

    def __init__(self, model: Model) -> None:
        self.faults: list[Fault] = []
        self._model = model
        self._fields = {field.name: field for field in model.fields}
        self._conditions = 0

    def read(self, document: object, place: Place, depth: int) -> Filter:
        if not isinstance(document, dict):
            return self._fault(place, f'should be an object, such as {{"id": 1}}; found {_kind(document)}')
        if not document and depth:
            self._count(place)
        parts = [self._member(name, value, (*place, _short(name)), depth) for name, value in document.items()]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _member(self, name: str, value: object, place: Place, depth: int) -> Filter:
        if name in {"$and", "$or", "$not"}:
            return self._combination(name, value, place, depth + 1)
        if name.startswith("$"):
            inside = " inside a field" if name in _OPERATORS else ""
            return self._fault(place, f"is no operator here; use a field, $and, $or or $not{inside and _HOW}")
        found = self._field(name, place)
        return AllOf(()) if found is None else self._comparisons(*found, value, place)

    def _combination(self, name: str, value: object, place: Place, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            text = (
                f"is level {depth} of $and, $or and $not; a filter has at most {MAX_DEPTH}. Put conditions side by side"
            )
            return self._fault(place, text)
        if name == "$not":
            return Not(self.read(value, place, depth))
        if not isinstance(value, list):
            return self._fault(place, f"should be an array of filters; found {_kind(value)}")
        if not value:
            self._count(place)
        parts = tuple(self.read(item, (*place, number), depth) for number, item in enumerate(value))
        return AllOf(parts) if name == "$and" else AnyOf(parts)

    def _field(self, name: str, place: Place) -> tuple[Field, tuple[str, ...]] | None:
        if (field := self._fields.get(name)) is not None:
            return field, ()
        head, dot, rest = name.partition(".")
        field = self._fields.get(head)
        if field is None or not dot:
            names = ", ".join(self._fields)
            self._fault(place, f"is no field of {self._model.name}; its fields are {names}")
        elif field.sql_type != "jsonb":
            self._fault(place, f"is a path, but {head} is no JSON field: it is {field.sql_type}; write {head} alone")
        elif (path := self._path(rest, place)) is not None:
            return field, path
        return None

    def _path(self, text: str, place: Place) -> tuple[str, ...] | None:
        path = tuple(text.split("."))
        if len(path) > MAX_PATH or "" in path:
            self._fault(place, f"should be a path of 1 to {MAX_PATH} names, each after one dot")
            return None
        return path if self._checked(check_text, text, place) is not None else None

    def _comparisons(self, field: Field, path: tuple[str, ...], value: object, place: Place) -> Filter:
        if not isinstance(value, dict):
            return self._comparison(field, path, "$eq", value, place)
        if not any(name.startswith("$") for name in value):
            return self._fault(
                place, f"should have an operator, such as {{{'"$eq"'}: ...}}; found an object without one"
            )
        parts = [self._operation(field, path, name, item, (*place, _short(name))) for name, item in value.items()]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _operation(self, field: Field, path: tuple[str, ...], name: str, value: object, place: Place) -> Filter:
        if (operator := next((known for known in _OPERATORS if known == name), None)) is None:
            return self._fault(place, f"is no operator of a field; they are {', '.join(_OPERATORS)}")
        if field.unordered and operator not in _OF_ALL:
            text = f"does not apply to {field.name}, which is {field.unordered}; use $eq, $ne or $null"
            return self._fault(place, text)
        if operator in _PATTERNS and field.sql_type != "text":
            return self._fault(place, f"matches texts only, and {field.name} is {field.sql_type}; use $eq or a range")
        return self._comparison(field, path, operator, value, place)

    def _comparison(
        self, field: Field, path: tuple[str, ...], operator: Operator, value: object, place: Place
    ) -> Filter:
        self._count(place)
        if value is None and operator in _NULL_OF:
            return Comparison(field, "$null", _NULL_OF[operator], path)
        if operator == "$null":
            checked: Any = self._checked(_boolean, value, place)
        elif operator in _LISTS:
            checked = self._list(field, value, place)
        else:
            checked = self._value(field, path, operator, value, place)
        return AllOf(()) if checked is None else Comparison(field, operator, checked, path)

    def _list(self, field: Field, value: object, place: Place) -> list[Any] | None:
        if not isinstance(value, list):
            self._fault(place, f"should be an array of values; found {_kind(value)}")
            return None
        return [self._value(field, (), "$in", item, (*place, number)) for number, item in enumerate(value)]

    def _value(self, field: Field, path: tuple[str, ...], operator: Operator, value: object, place: Place) -> Any:  # noqa: ANN401 - what PostgreSQL gets
        if value is None:
            self._fault(place, "is null, which only $eq, $ne and $null compare; use one of them")
            return None
        if path:
            return self._checked(json_text, value, place)
        checked = self._checked(lambda item: check_value(field.sql_type, item), value, place)
        return self._checked(_pattern, checked, place) if operator in _PATTERNS and checked is not None else checked

    def _checked(self, check: Any, value: object, place: Place) -> Any:  # noqa: ANN401 - each check has its types
        try:
            return check(value)
        except ValueError as error:
            self._fault(place, str(error))
            return None

    def _count(self, place: Place) -> None:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            text = f"is condition {self._conditions} of the filter, which may have {MAX_CONDITIONS}"
            raise InvalidQueryError(
                [Fault(place, f"{text}. Compare one field with many values by $in, or ask in parts")]
            )

    def _fault(self, place: Place, text: str) -> Filter:
        self.faults.append(Fault(place, text))
        if len(self.faults) >= MAX_FAULTS:
            raise InvalidQueryError(self.faults)
        return AllOf(())


_HOW = '; write {"field": {"$operator": value}}'


def _short(name: str) -> str:
    return name[:_MAX_NAME_LENGTH]


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"should be true or false; found {_kind(value)}")  # noqa: TRY004 - all faults are ValueErrors
    return value


def _pattern(value: str) -> str:
    if (len(value) - len(value.rstrip("\\"))) % 2:
        raise ValueError("ends with a backslash that escapes nothing; write \\\\ for a backslash")
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case dict():
            return "an object"
        case Sequence():
            return "an array"
    return "a number"
