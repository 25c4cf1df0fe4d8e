"""What the endpoints of jobs take and answer."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, Field

from classification_service.encoder.languages import LANGUAGE
from classification_service.jobs.models import Cell, Delimiter, Format, JobView, Layout, RowError
from classification_service.jobs.tables.writing import MEDIA_TYPES

FILE_TYPES = (
    "text/csv",
    "text/plain",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/jsonl",
    "application/x-ndjson",
    "application/octet-stream",
)
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in FILE_TYPES},
        "description": "CSV, XLSX (its first visible sheet) or JSON Lines; which of them it is, is found by its content",
        "required": True,
    }
}
RESULTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the rows with their results",
        "content": {
            name.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for name in MEDIA_TYPES.values()
        },
    }
}
MAX_COLUMNS = 20

_COLUMN = Field(min_length=1, max_length=200)
type _Encoding = Literal[
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "shift_jis",
    "gb18030",
]

TaxonomyParameter = Annotated[Literal["unspsc", "etim"], Query(description="what the rows are classified to")]
VersionParameter = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", description="of the taxonomy; the default where it is left out"
    ),
]
TextColumns = Annotated[
    list[Annotated[str, _COLUMN]],
    Query(min_length=1, max_length=MAX_COLUMNS, description="the columns with the text; those of several are joined"),
]
AttributeColumns = Annotated[
    list[Annotated[str, _COLUMN]],
    Query(max_length=MAX_COLUMNS, description="columns whose cells are classified with their names"),
]
EncodingParameter = Annotated[
    _Encoding | None, Query(description="of a text file; UTF-8 and UTF-16 are found where it is left out")
]
DelimiterParameter = Annotated[Delimiter | None, Query(description="of CSV; found where it is left out")]
LlmParameter = Annotated[Literal["auto", "never"], Query(description="whether a language model may see uncertain rows")]
ReviewParameter = Annotated[bool, Query(description="put the uncertain rows into the review queue")]
LanguageParameter = Annotated[
    str, Query(pattern=LANGUAGE, description="of the texts, a BCP 47 tag; English where it is left out")
]
FeaturesParameter = Annotated[
    bool, Query(description="fill in the values of features, which etim has, in a column of JSON")
]
FileName = Annotated[
    str | None, Query(pattern=r"^[^\x00-\x1f\x7f/\\]{1,200}$", description="of the file, for its owner")
]
FormatParameter = Annotated[Format | None, Query(description="that of the file where it is left out")]
JobId = Annotated[UUID, Path()]
AfterJob = Annotated[UUID | None, Query(description="the `next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=100)]


class FileOut(BaseModel):
    """How the file is built: `header_row` is a line of a text file or a row of a sheet."""

    format: Format
    encoding: str | None
    delimiter: str | None
    header_row: int | None
    columns: list[str]

    @classmethod
    def of(cls, layout: Layout) -> "FileOut":
        """What is answered of a layout."""
        return cls(
            format=layout.format,
            encoding=layout.encoding,
            delimiter=layout.delimiter,
            header_row=layout.header_row or None,
            columns=[printable(name) for name in layout.columns],
        )


class PreviewOut(FileOut):
    """The file as it would be read. `text_columns` are likely to hold the names of products; `rows` are the first ones.

    `encoding_certain` is false for one that is only likely.
    """

    encoding_certain: bool
    text_columns: list[str]
    rows: list[list[Cell]]
    faults: list["RowErrorOut"]


class RowErrorOut(BaseModel):
    """Why a row has no code. `row` is its line in a text file, or its row in a sheet."""

    row: int
    error: str

    @classmethod
    def of(cls, error: RowError) -> "RowErrorOut":
        """What is answered of an error."""
        return cls(row=error.row, error=printable(error.error))


class RowsOut(BaseModel):
    """How many rows there are (null while the file is being read), are classified, and have no code."""

    total: int | None
    done: int
    failed: int


class JobOut(BaseModel):
    """A job. `rate` is rows a second; `errors` are those of the first rows without a code; `error` says why the job failed."""

    id: UUID
    name: str | None
    state: Literal["running", "done", "failed", "cancelled"]
    taxonomy: str
    version: str
    text_columns: list[str]
    attribute_columns: list[str]
    features: bool
    file: FileOut
    rows: RowsOut
    rate: float
    eta_seconds: float | None
    created_at: datetime
    ended_at: datetime | None
    error: str | None
    errors: list[RowErrorOut]

    @classmethod
    def of(cls, view: JobView) -> "JobOut":
        """What is answered of a job."""
        job, standing = view.job, view.standing
        return cls(
            id=job.id,
            name=job.name,
            state=job.state,  # type: ignore[arg-type]  # one that is received is nobody's yet
            taxonomy=job.options.taxonomy,
            version=job.options.version,
            text_columns=list(job.options.mapping.text),
            attribute_columns=list(job.options.mapping.attributes),
            features=job.options.features,
            file=FileOut.of(job.layout),
            rows=RowsOut(total=standing.read if standing.whole else None, done=standing.done, failed=standing.failed),
            rate=standing.rate,
            eta_seconds=standing.eta_seconds if job.state == "running" else None,
            created_at=job.created_at,
            ended_at=job.ended_at,
            error=job.error,
            errors=[RowErrorOut.of(error) for error in view.errors],
        )


class JobPage(BaseModel):
    """Jobs, the latest first; `next` is the `after` of the page after this one, null on the last."""

    items: list[JobOut]
    next: UUID | None


def printable(text: str) -> str:
    """The text with what UTF-8 cannot hold as U+FFFD."""
    return text.encode(errors="replace").decode() if not text.isascii() else text
