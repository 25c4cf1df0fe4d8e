"""Numbers as people read them. `static/wording.js` has the same for what changes while a page is open."""

from classification_service.jobs.schemas import JobOut

_MINUTE = 60
_HOUR = 60 * _MINUTE


def figures(job: JobOut) -> str:
    """Say how far a job is: `1,200 of 5,000 rows, 3 without a code, 450 rows/s, 9 s left`."""
    rows = job.rows
    total = "" if rows.total is None else f" of {rows.total:,}"
    parts = [f"{rows.done:,}{total} rows"]
    if rows.failed:
        parts.append(f"{rows.failed:,} without a code")
    if job.rate:
        parts.append(f"{job.rate:,.0f} rows/s")
    if job.eta_seconds is not None:
        parts.append(f"{duration(job.eta_seconds)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Say how long something takes: `9 s`, `3 min`, `2.5 h`."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"


def share(part: int, whole: int) -> str:
    """Say how many of some are meant: `54 of 71 (76 %)`."""
    return f"{part:,} of {whole:,} ({part / whole:.0%})".replace("%", " %") if whole else "nothing yet"
