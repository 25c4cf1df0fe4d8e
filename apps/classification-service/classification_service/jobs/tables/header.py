"""Which of the first rows is the header, the names of the columns, and so the layout of a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from classification_service.jobs.errors import TableFileError
from classification_service.jobs.models import Cell, Delimiter, Format, Layout, Row

MAX_PREAMBLE = 20
"""Rows at the beginning that the header is looked for in."""

_SHOWN = 30


def layout_of(
    form: Format,
    rows: Iterable[Row],
    wanted: Sequence[str],
    reserved: Sequence[str],
    *,
    encoding: str | None = None,
    delimiter: Delimiter | None = None,
) -> Layout:
    """The layout of a table by its first rows; raises TableFileError as `find_header` and `check_columns` do."""
    first = list(islice(rows, MAX_PREAMBLE))
    header = find_header(first, wanted)
    columns = column_names(header.cells)
    check_columns(columns, wanted, reserved)
    return Layout(
        format=form,
        columns=columns,
        header=header.cells,
        header_row=header.number,
        preamble=[row.cells for row in first[: first.index(header)]],
        encoding=encoding,
        delimiter=delimiter,
    )


def find_header(rows: Sequence[Row], wanted: Sequence[str]) -> Row:
    """The first row that has the columns `wanted`, else of the rows of usual length the first with most texts.

    Raises TableFileError where there is no row with anything in it.
    """
    filled = [row for row in rows if any(str(cell).strip() for cell in row.cells)]
    if not filled:
        raise TableFileError(
            "The file has no header: its first rows are empty. Give each column a name in the first row."
        )
    for row in filled:
        if has_columns(row, wanted):
            return row
    ((usual, _),) = Counter(len(row.cells) for row in filled).most_common(1)
    return max((row for row in filled if len(row.cells) == usual), key=_texts)


def has_columns(row: Row, wanted: Sequence[str]) -> bool:
    """Whether a row is a header with the columns `wanted`; none is where nothing is wanted."""
    columns = column_names(row.cells)
    return bool(wanted) and all(_place(columns, name) is not None for name in wanted)


def _texts(row: Row) -> int:
    return sum(1 for cell in row.cells if isinstance(cell, str) and cell.strip())


def column_names(header: Sequence[Cell]) -> list[str]:
    """A name for each cell of a header, also for an empty one."""
    return [str(cell).strip() or f"column {number}" for number, cell in enumerate(header, 1)]


def _place(columns: Sequence[str], name: str) -> int | None:
    """Where the column of that name is, in whatever case; None unless there is exactly one."""
    if name in columns:
        return columns.index(name)
    alike = [place for place, column in enumerate(columns) if column.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def check_columns(columns: Sequence[str], wanted: Sequence[str], reserved: Sequence[str]) -> None:
    """Raise TableFileError for columns that are missing, there twice, or named like those of results."""
    if repeated := [name for name, count in Counter(columns).items() if count > 1]:
        raise TableFileError(f"The file has more than one column named {_listed(repeated)}. Give each its own name.")
    if missing := [name for name in wanted if _place(columns, name) is None]:
        found = _listed(columns) or "no columns at all"
        raise TableFileError(f"The file has no column {_listed(missing)}. It has: {found}.")
    if taken := [name for name in columns if name in reserved]:
        raise TableFileError(f"The file has the columns {_listed(taken)} already. Rename or remove them first.")


def resolve(columns: Sequence[str], name: str) -> str:
    """The column that a name means."""
    place = _place(columns, name)
    return name if place is None else columns[place]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:100]) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
