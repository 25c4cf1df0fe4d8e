"""/v1/jobs: files of many products."""

import asyncio
from urllib.parse import quote

from fastapi import Depends, Request, Response
from starlette.responses import StreamingResponse

from classification_service.jobs.dependencies import FileStream, Jobs, Options, OwnerOfJobs, receive_beginning
from classification_service.jobs.models import Format, Job, Reading, RowError
from classification_service.jobs.preview import Preview, preview
from classification_service.jobs.schemas import (
    FILE_BODY,
    RESULTS,
    AfterJob,
    DelimiterParameter,
    EncodingParameter,
    FileName,
    FileOut,
    FormatParameter,
    JobId,
    JobOut,
    JobPage,
    Limit,
    PreviewOut,
    RowErrorOut,
    printable,
)
from classification_service.jobs.tables.writing import MEDIA_TYPES
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(require("classify"))])


@router.post("", status_code=202, openapi_extra=FILE_BODY)
async def create_job(
    response: Response,
    owner: OwnerOfJobs,
    jobs: Jobs,
    body: FileStream,
    options: Options,
    *,
    name: FileName = None,
) -> JobOut:
    """Store a file, check its beginning, and have its rows classified by all worker processes."""
    view = await jobs.create(owner, name, options, body)
    response.headers["Location"] = f"/v1/jobs/{view.job.id}"
    return JobOut.of(view)


@router.post("/preview", openapi_extra=FILE_BODY)
async def preview_file(
    request: Request, *, encoding: EncodingParameter = None, delimiter: DelimiterParameter = None
) -> PreviewOut:
    """Look at a file, or at the beginning of a text file: how it is built, its columns and its first rows."""
    async with receive_beginning(request) as file:
        found = await asyncio.to_thread(preview, file, Reading(encoding, delimiter))
    return _preview_out(found)


def _preview_out(found: Preview) -> PreviewOut:
    rows = [[printable(cell) if isinstance(cell, str) else cell for cell in cells] for cells in found.rows]
    return PreviewOut(
        **FileOut.of(found.layout).model_dump(),
        encoding_certain=found.certain,
        text_columns=[printable(name) for name in found.text_columns],
        rows=rows,
        faults=[RowErrorOut.of(RowError(row.number, row.fault)) for row in found.faults],
    )


@router.get("")
async def list_jobs(owner: OwnerOfJobs, jobs: Jobs, *, after: AfterJob = None, limit: Limit = 20) -> JobPage:
    """Your jobs, the latest first."""
    views, following = await jobs.page(owner, after, limit)
    return JobPage(items=[JobOut.of(view) for view in views], next=following)


@router.get("/{job_id}")
async def get_job(owner: OwnerOfJobs, jobs: Jobs, job_id: JobId) -> JobOut:
    """How far a job is."""
    return JobOut.of(await jobs.get(owner, job_id))


@router.get("/{job_id}/results", responses=RESULTS, response_class=Response)
async def get_results(
    request: Request,
    owner: OwnerOfJobs,
    jobs: Jobs,
    job_id: JobId,
    *,
    format: FormatParameter = None,  # noqa: A002  its name in addresses
) -> Response:
    """The rows of the file in their order, with the columns of the results, once the job is done."""
    job, written, content = await jobs.results(owner, job_id, format)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(_file_name(job, written))}"}
    if request.method == "HEAD":
        return Response(headers=headers, media_type=MEDIA_TYPES[written])
    return StreamingResponse(content, headers=headers, media_type=MEDIA_TYPES[written])


def _file_name(job: Job, written: Format) -> str:
    name = job.name or f"job-{job.id}"
    stem = name.rpartition(".")[0] or name
    return f"{stem}-{job.options.taxonomy}.{written}"


@router.delete("/{job_id}", status_code=204)
async def end_job(owner: OwnerOfJobs, jobs: Jobs, job_id: JobId) -> None:
    """Cancel a job that runs; delete one that has ended, with its results."""
    await jobs.end(owner, job_id)
