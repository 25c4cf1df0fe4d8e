"""What is done with each row that is sent. Rows are changed in the order in which they were sent."""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, override

from dataflow_service.records import parsing
from dataflow_service.records.errors import Fault, InvalidRowError, NoSuchRowError
from dataflow_service.records.parsing import Place, Values
from dataflow_service.records.query import Comparison, by_id
from dataflow_service.records.writer import RecordWriter
from dataflow_service.registry.model import Model


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were changed in each way, and their ids in the order in which they were sent."""

    counts: Counter[str] = field(default_factory=Counter)
    ids: list[Any] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Add rows that were written later."""
        self.counts.update(other.counts)
        self.ids.extend(other.ids)


class Operation[T](ABC):
    """One way to change rows of a model. `T` is a row as it is written."""

    counted: tuple[str, ...]
    """The names of its counts."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def names(self) -> Collection[str]:
        """The fields that a row may have."""
        return self.model.names_of_new

    @abstractmethod
    def parse(self, document: object, place: Place) -> T:
        """Return what is written of a JSON value; raises InvalidRowError where it is no such row."""

    def key(self, row: T) -> Hashable | None:  # noqa: ARG002 - new rows have none
        """Return what identifies the row that is changed."""
        return None

    @abstractmethod
    async def write(self, writer: RecordWriter, rows: Sequence[T]) -> Written:
        """Write rows, each with another key; raises what RecordWriter does."""

    def runs(self, rows: Sequence[T]) -> Iterator[Sequence[T]]:
        """Yield rows in runs without a repeated key: a later row with the same one must find what the first has made."""
        run: list[T] = []
        seen: set[Hashable] = set()
        for row in rows:
            if (key := self.key(row)) in seen:
                yield run
                run, seen = [], set()
            run.append(row)
            if key is not None:
                seen.add(key)
        yield run


class Create(Operation[Values]):
    """Creates each row."""

    counted = ("created",)

    @override
    def parse(self, document: object, place: Place) -> Values:
        return parsing.new_row(self.model, document, place)

    @override
    async def write(self, writer: RecordWriter, rows: Sequence[Values]) -> Written:
        ids = await writer.create_many(self.model, rows)
        return Written(Counter(created=len(ids)), ids)


type _Sent = tuple[Values, tuple[str, ...]]
"""A row, and the fields that were sent."""


class Upsert(Operation[_Sent]):
    """Creates each row, or sets the fields sent in the row that has the same values of the `unique` fields."""

    counted = ("created", "updated")

    def __init__(self, model: Model, unique: Sequence[str]) -> None:
        super().__init__(model)
        self._unique = unique

    @override
    def parse(self, document: object, place: Place) -> _Sent:
        return parsing.upserted_row(self.model, document, self._unique, place)

    @override
    def key(self, row: _Sent) -> Hashable:
        return parsing.unique_key(row[0], self._unique)

    @override
    async def write(self, writer: RecordWriter, rows: Sequence[_Sent]) -> Written:
        places: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, (_, names) in enumerate(rows):
            places[names].append(place)
        found: dict[int, tuple[Any, bool]] = {}
        for names, same in places.items():
            values = [rows[place][0] for place in same]
            written = await writer.upsert_many(self.model, values, unique=self._unique, names=names)
            found.update(zip(same, written, strict=True))
        created = sum(is_new for _, is_new in found.values())
        return Written(
            Counter(created=created, updated=len(rows) - created), [found[place][0] for place in range(len(rows))]
        )


type _Change = tuple[Any, Values]
"""The id of a row, and the fields to set in it."""


class Update(Operation[_Change]):
    """Sets the fields sent in the row with the id."""

    counted = ("updated",)

    @property
    @override
    def names(self) -> Collection[str]:
        return {"id", *self.model.names}

    @override
    def parse(self, document: object, place: Place) -> _Change:
        row_id, values = _identified(self.model, document, place)
        return row_id, parsing.change(self.model, values, place)

    @override
    def key(self, row: _Change) -> Hashable:
        return row[0]  # type: ignore[no-any-return] # ids are numbers, text or UUIDs

    @override
    async def write(self, writer: RecordWriter, rows: Sequence[_Change]) -> Written:
        ids = await writer.change_each(self.model, rows)
        return Written(Counter(updated=len(ids)), ids)


class Delete(Operation[Any]):
    """Deletes the row with the id."""

    counted = ("deleted",)

    @property
    @override
    def names(self) -> Collection[str]:
        return {"id"}

    @override
    def parse(self, document: object, place: Place) -> Any:
        row_id, others = _identified(self.model, document, place)
        if others:
            raise InvalidRowError([Fault((*place, next(iter(others))[:100]), "is not taken here; send the id alone")])
        return row_id

    @override
    def key(self, row: Any) -> Hashable:
        return row  # type: ignore[no-any-return] # ids are numbers, text or UUIDs

    @override
    async def write(self, writer: RecordWriter, rows: Sequence[Any]) -> Written:
        deleted = set(await writer.delete_many(self.model, Comparison(by_id(self.model).field, "$in", list(rows))))
        if missing := [row_id for row_id in rows if row_id not in deleted]:
            raise NoSuchRowError(self.model.path, str(missing[0]))
        return Written(Counter(deleted=len(rows)), list(rows))


def _identified(model: Model, document: object, place: Place) -> tuple[Any, dict[str, Any]]:
    """Return the id of a row, and what else was sent of it."""
    if not isinstance(document, dict) or "id" not in document:
        raise InvalidRowError([Fault(place, "should be an object with an id")])
    others = {name: value for name, value in document.items() if name != "id"}
    return parsing.sent_id(model, document["id"], (*place, "id")), others
