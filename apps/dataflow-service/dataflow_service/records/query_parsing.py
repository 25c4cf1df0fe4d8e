"""Makes queries of what addresses and bodies say, and names what is wrong with one by its place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args
from urllib.parse import unquote_to_bytes

from dataflow_service.records import cursor
from dataflow_service.records.errors import MAX_FAULTS, Fault, InvalidQueryError, NoSuchRelationError
from dataflow_service.records.filters import parse_filter
from dataflow_service.records.parsing import Place
from dataflow_service.records.query import (
    EVERY_ROW,
    RELEVANCE,
    Aggregate,
    Filter,
    Function,
    GroupQuery,
    OrderKey,
    Query,
    SearchText,
    by_id,
    is_by_id,
    with_id,
)
from dataflow_service.records.search_parsing import parse_search
from dataflow_service.registry.model import Field, Model, Relation
from nexus_chassis import strict_json

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100

_MEMBERS = ("aggregates", "after", "expand", "fields", "filter", "group_by", "limit", "order", "search")
_FUNCTIONS: tuple[Function, ...] = get_args(Function.__value__)
_NUMBERS = frozenset({"bigint", "numeric", "double precision"})
_COMPARED = _NUMBERS | {"text", "timestamptz", "date"}
_TYPES_OF: Mapping[Function, frozenset[str]] = {
    "sum": _NUMBERS,
    "avg": _NUMBERS,
    "min": _COMPARED,
    "max": _COMPARED,
}


def of_address(
    model: Model,
    *,
    filter_text: str | None,
    fields: str | None,
    order: str | None,
    after: str | None,
    limit: int,
    expand: str | None = None,
    search: str | None = None,
    deleted: bool = False,
) -> Query:
    """Return the query of a page that the parameters of an address ask for.

    Raises:
        InvalidQueryError: They are none for the rows of the model.
        NoSuchRelationError: The model has not one of the relations.
    """
    reader = _Reader(model, ("query",))
    if deleted and not model.soft_delete:
        reader.fault(("deleted",), f"belongs to models with soft delete, and {model.name} has none; leave it out")
    wanted = reader.wanted(reader.filter_text(filter_text), search)
    query = reader.page(wanted, fields, order, after, limit, expand=expand)
    return replace(query, deleted=True) if deleted else query


def of_row(model: Model, row_id: object, expand: str) -> Query:
    """Return the query of one row with the rows that it refers to.

    Raises:
        InvalidQueryError: `expand` does not name fields.
        NoSuchRelationError: The model has not one of the relations.
    """
    return _Reader(model, ("query",)).page((with_id(model, row_id), None), None, None, None, 1, expand=expand)


type Wanted = tuple[Filter, SearchText | None]
"""Which rows are wanted."""


def wanted_of_address(model: Model, filter_text: str | None, search: str | None = None) -> Wanted:
    """Return the filter and the search that parameters of an address describe.

    Raises:
        InvalidQueryError: They are none for the rows of the model.
    """
    reader = _Reader(model, ("query",))
    found = reader.wanted(reader.filter_text(filter_text), search)
    reader.finish()
    return found


def wanted_of_parameters(model: Model, parameters: Mapping[str, Any], place: Place) -> Wanted:
    """Return the filter and the search that parameters describe.

    Raises:
        InvalidQueryError: They are none for the rows of the model; faults are named within `place`.
    """
    reader = _Reader(model, place)
    found = reader.wanted(reader.filter(parameters.get("filter", {})), parameters.get("search"))
    reader.finish()
    return found


def of_body(model: Model, document: object) -> Query | GroupQuery:
    """Return the query that a body describes: of rows, or of groups of rows where it has aggregates.

    Raises:
        InvalidQueryError: It is none for the rows of the model.
        NoSuchRelationError: The model has not one of the relations.
    """
    reader = _Reader(model, ("body",))
    if not isinstance(document, dict):
        raise InvalidQueryError([Fault(("body",), "should be an object")])
    for name in sorted(document.keys() - set(_MEMBERS)):
        reader.fault((name[:100],), f"is no part of a query; its parts are {', '.join(_MEMBERS)}")
    checked_filter = reader.filter(document["filter"]) if "filter" in document else EVERY_ROW
    wanted = reader.wanted(checked_filter, document.get("search"))
    limit = reader.limit(document.get("limit", DEFAULT_LIMIT))
    order, after = document.get("order"), document.get("after")
    if "aggregates" in document or "group_by" in document:
        for name in [name for name in ("expand", "fields") if name in document]:
            reader.fault((name,), "does not go with aggregates; name the fields of a group in group_by")
        aggregates, group_by = document.get("aggregates"), document.get("group_by")
        return reader.groups(wanted, aggregates, group_by, order=order, after=after, limit=limit)
    return reader.page(wanted, document.get("fields"), order, after, limit, expand=document.get("expand"))


def of_parameters(model: Model, parameters: Mapping[str, Any], place: Place) -> Query:
    """Return the query of a page that parameters describe: the parts of a body, with the order in `order_by`.

    Raises:
        InvalidQueryError: They are none for the rows of the model; faults are named within `place`.
    """
    reader = _Reader(model, place, order="order_by")
    wanted = reader.wanted(reader.filter(parameters.get("filter", {})), parameters.get("search"))
    limit = reader.limit(parameters.get("limit", DEFAULT_LIMIT))
    fields, order, after = (parameters.get(name) for name in ("fields", "order_by", "after"))
    return reader.page(wanted, fields, order, after, limit)


class _Reader:
    """Reads the parts of one query; `finish` raises for all that is wrong with them."""

    def __init__(self, model: Model, part: Place, order: str = "order") -> None:
        self._model = model
        self._part = part
        self._place_of_order = (order,)
        self._fields = {field.name: field for field in model.fields}
        self._faults: list[Fault] = []

    def fault(self, place: Place, text: str) -> None:
        self._faults.append(Fault((*self._part, *place), text))

    def finish(self) -> None:
        if self._faults:
            raise InvalidQueryError(self._faults[:MAX_FAULTS])

    def filter_text(self, text: str | None) -> Filter:
        if text is None:
            return EVERY_ROW
        try:
            document = strict_json.loads(text, decimals=True)
        except strict_json.InvalidJsonError as error:
            self.fault(("filter",), f"cannot be read as JSON: {error}")
            return EVERY_ROW
        return self.filter(document)

    def filter(self, document: object) -> Filter:
        try:
            return parse_filter(self._model, document, (*self._part, "filter"))
        except InvalidQueryError as error:
            self._faults.extend(error.faults)
            return EVERY_ROW

    def wanted(self, checked_filter: Filter, search: object) -> Wanted:
        if search is None:
            return checked_filter, None
        try:
            return checked_filter, parse_search(self._model, search)
        except ValueError as error:
            self.fault(("search",), str(error))
            return checked_filter, None

    def limit(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_LIMIT:
            self.fault(("limit",), f"should be a whole number from 1 to {MAX_LIMIT}")
            return DEFAULT_LIMIT
        return value

    def page(
        self, wanted: Wanted, fields: object, order: object, after: object, limit: int, *, expand: object = None
    ) -> Query:
        chosen = self._model.fields if fields is None else self._named(fields, ("fields",))
        checked_filter, sought = wanted
        by_default = [] if sought is None else [OrderKey(RELEVANCE, descending=True)]
        keys = by_default if order is None else self._order(order)
        if not any(key.field.name == "id" for key in keys):
            keys.append(by_id(self._model))
        start = self._after(keys, after)
        related = self._related(expand)
        self.finish()
        in_order = [field for field in self._model.fields if field in chosen]
        return Query(
            fields=in_order, order=keys, limit=limit, filter=checked_filter, search=sought, after=start, expand=related
        )

    def _related(self, expand: object) -> list[Relation]:
        """Return the relations of fields; another name is no fault of a value, as there is no such part of a row."""
        if expand is None:
            return []
        relations = {relation.field.name: relation for relation in self._model.relations}
        names = self._names(expand, ("expand",))
        if (unknown := next((name for name in names if name not in relations), None)) is not None:
            raise NoSuchRelationError(self._model.name, unknown, list(relations))
        if len(set(names)) < len(names):
            self.fault(("expand",), "has a field more than once; name a field once")
        return [relations[name] for name in names]

    def groups(
        self, wanted: Wanted, aggregates: object, group_by: object, *, order: object, after: object, limit: int
    ) -> GroupQuery:
        functions = self._aggregates(aggregates)
        shared = self._shared(group_by)
        keys = [] if order is None else self._order(order)
        if strange := [key.field.name for key in keys if key.field not in shared]:
            self.fault(
                self._place_of_order,
                f"has {strange[0]!r}, which is not in group_by; groups are ordered by what is there",
            )
        keys += [OrderKey(field) for field in shared if field not in [key.field for key in keys]]
        start = self._after(keys, after)
        self.finish()
        checked_filter, sought = wanted
        return GroupQuery(
            aggregates=functions, order=keys, limit=limit, filter=checked_filter, search=sought, after=start
        )

    def _shared(self, group_by: object) -> list[Field]:
        if group_by is None or group_by == []:
            return []
        return self._comparable(self._named(group_by, ("group_by",)), ("group_by",))

    def _order(self, value: object) -> list[OrderKey]:
        names = self._names(value, self._place_of_order)
        fields = self._known([name.removeprefix("-") for name in names], self._place_of_order)
        if len(fields) < len(names):
            return []
        self._comparable(fields, self._place_of_order)
        return [OrderKey(field, name.startswith("-")) for field, name in zip(fields, names, strict=True)]

    def _named(self, value: object, place: Place) -> list[Field]:
        return self._known(self._names(value, place), place)

    def _names(self, value: object, place: Place) -> list[str]:
        if isinstance(value, str):
            return value.split(",")
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return value
        self.fault(place, "should be an array with names of fields, or a string with commas between them")
        return []

    def _known(self, names: Sequence[str], place: Place) -> list[Field]:
        """Return the fields; none where a name is given twice, so that no more are returned than there are."""
        times = Counter(names)
        for name in [name for name in times if name not in self._fields][:MAX_FAULTS]:
            known = ", ".join(self._fields)
            text = f"has {name[:100]!r}, which is no field of {self._model.name}; its fields are {known}"
            self.fault(place, text)
        if repeated := next((name for name, number in times.items() if number > 1), None):
            self.fault(place, f"has {repeated[:100]!r} more than once; name a field once")
            return []
        return [self._fields[name] for name in names if name in self._fields]

    def _comparable(self, fields: list[Field], place: Place) -> list[Field]:
        for field in fields:
            if field.unordered:
                self.fault(place, f"has {field.name!r}, {field.unordered}, which has no order; leave it out")
        return fields

    def _after(self, keys: Sequence[OrderKey], after: object) -> Sequence[Any] | None:
        """Return the place where a page begins. By id alone, it is the id as addresses have it."""
        if after is None:
            return None
        if not isinstance(after, str):
            self.fault(("after",), "should be the `next` of a page, a string")
            return None
        try:
            return [self._model.identifier(after)] if is_by_id(keys) else cursor.decode(keys, after)
        except ValueError as error:
            self.fault(("after",), str(error))
            return None

    def _aggregates(self, value: object) -> list[Aggregate]:
        if not isinstance(value, dict) or not value:
            self.fault(("aggregates",), 'should be an object such as {"count": "*", "sum": ["field"]}')
            return []
        return [aggregate for name, fields in value.items() for aggregate in self._of_function(name, fields)]

    def _of_function(self, name: str, fields: object) -> list[Aggregate]:
        place = ("aggregates", name[:100])
        function = next((known for known in _FUNCTIONS if known == name), None)
        if function is None:
            self.fault(place, f"is no function; they are {', '.join(_FUNCTIONS)}")
            return []
        if function == "count":
            if fields not in ("*", ["*"]):
                self.fault(place, 'should be "*": it counts the rows; count values by a filter with $null')
            return [Aggregate("count", None)]
        return [Aggregate(function, field) for field in self._arguments(function, fields)]

    def _arguments(self, function: Function, value: object) -> list[Field]:
        place = ("aggregates", function)
        fields = self._named(value, place)
        for field in fields:
            if field.sql_type not in _TYPES_OF[function]:
                self.fault(place, f"has {field.name!r}, which is {field.sql_type}; {function} does not apply to it")
        return fields


def check_encoding(query_string: bytes) -> None:
    """Raise InvalidQueryError for an address whose text would not be read as it was sent."""
    try:
        query_string.decode("ascii")
        unquote_to_bytes(query_string).decode()
    except UnicodeDecodeError:
        text = "should be ASCII, with other characters in UTF-8 and percent-encoded"
        raise InvalidQueryError([Fault(("query",), text)]) from None
