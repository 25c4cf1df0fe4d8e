"""Rows of files, jobs, and how far they are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from classification_service.jobs.errors import FeaturesOfOtherTaxonomyError

type Cell = str | int | float | bool
type Format = Literal["csv", "xlsx", "jsonl"]
type Delimiter = Literal[",", ";", "\t", "|"]
type JobState = Literal["receiving", "running", "done", "failed", "cancelled"]

RESULTS = ("code", "level", "title", "confidence", "source", "error")
"""The columns that are added to each row, after the name of the taxonomy and a low line."""

FEATURES = "features"
"""The column behind them for the values of features, where these are asked for."""


def result_names(taxonomy: str, *, features: bool = False) -> list[str]:
    """The names of the columns that results are written to."""
    names = (*RESULTS, FEATURES) if features else RESULTS
    return [f"{taxonomy}_{name}" for name in names]


@dataclass(frozen=True, slots=True)
class Row:
    """A row. `number` is its line in a text file, or its row in a sheet.

    `source` is the line itself in JSON Lines, whose rows have no cells. `fault` says why the row cannot be classified.
    """

    number: int
    cells: list[Cell] = field(default_factory=list)
    source: str = ""
    fault: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing is in it."""
        return not self.cells and not self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is built.

    `columns` are names that differ from each other, `header` the cells that they were made from, in the row `header_row`, and
    `preamble` the rows above it. JSON Lines has the first three empty.
    """

    format: Format
    columns: list[str]
    header: list[Cell] = field(default_factory=list)
    header_row: int = 0
    preamble: list[list[Cell]] = field(default_factory=list)
    encoding: str | None = None
    delimiter: Delimiter | None = None


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The columns whose cells are classified: `text` as they stand, `attributes` with their names."""

    text: Sequence[str]
    attributes: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [*self.text, *self.attributes]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the sender says of the file; None is to be found out. `reserved` are columns that it must not have."""

    encoding: str | None = None
    delimiter: Delimiter | None = None
    reserved: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """What is classified of a row."""

    text: str
    attributes: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found for a row, or an error: the values of the columns `RESULTS`, and of `FEATURES`, JSON objects.

    `features` is None where they were not asked for, or the code is no class.
    """

    code: str = ""
    level: str = ""
    title: str = ""
    confidence: float | None = None
    source: str = ""
    error: str = ""
    features: list[dict[str, Any]] | None = None

    @property
    def values(self) -> list[str | float | None]:
        """The values in the order of `RESULTS`."""
        return [self.code, self.level, self.title, self.confidence, self.source, self.error]

    @property
    def members(self) -> list[object]:
        """What an outcome is made of, as it is kept: a version without features reads those that have none."""
        return [*self.values, *([] if self.features is None else [self.features])]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What is to be done with a file; `language` is that of its texts, a BCP 47 tag.

    Raises FeaturesOfOtherTaxonomyError where `features` of another taxonomy than ETIM are asked for.
    """

    taxonomy: str
    version: str
    mapping: ColumnMapping
    encoding: str | None = None
    delimiter: Delimiter | None = None
    llm: Literal["auto", "never"] = "auto"
    review: bool = False
    language: str = "en"
    features: bool = False

    def __post_init__(self) -> None:
        if self.features and self.taxonomy != "etim":
            raise FeaturesOfOtherTaxonomyError(self.taxonomy)

    @property
    def reading(self) -> Reading:
        """What is said of the file."""
        return Reading(self.encoding, self.delimiter, self.result_names)

    @property
    def result_names(self) -> list[str]:
        """The names of the columns that results are written to."""
        return result_names(self.taxonomy, features=self.features)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What products are classified for, such as `job:ID`, and for whom: a subject of a tenant."""

    name: str
    subject: str | None = None
    tenant: str | None = None


type Classify = Callable[[JobOptions, Purpose, Sequence[Product]], Awaitable[Sequence[Outcome]]]
"""Classifies products; an outcome for each."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose jobs they are: a subject of a tenant, whose name is empty where there are none."""

    tenant: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file that is classified. `error` says why it failed."""

    id: UUID
    owner: Owner
    name: str | None
    state: JobState
    options: JobOptions
    layout: Layout
    created_at: datetime
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a job is: rows that are read, classified and without a code; `whole` when all are read. `rate` is rows a second."""

    read: int
    whole: bool
    done: int
    failed: int
    rate: float

    @property
    def eta_seconds(self) -> float | None:
        """How long the rest will take; None while that is not known."""
        if not self.whole or not self.rate:
            return None
        return round((self.read - self.done) / self.rate, 1)


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row has no code."""

    row: int
    error: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, how far it is, and the errors of its first rows without a code."""

    job: Job
    standing: Standing
    errors: Sequence[RowError]


@dataclass(frozen=True, slots=True)
class ClaimedChunk:
    """A part of a job that nobody else computes."""

    job: Job
    number: int
    content: bytes


@dataclass(frozen=True, slots=True)
class FinishedChunk:
    """A part of a job with its results."""

    number: int
    content: bytes
    results: bytes
