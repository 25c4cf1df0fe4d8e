"""What the pages show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from classification_service.feedback.schemas import StatisticsOut
from classification_service.feedback.service import FeedbackService
from classification_service.jobs.models import Owner
from classification_service.jobs.schemas import JobOut
from classification_service.jobs.service import JobService
from classification_service.pages.wording import figures
from classification_service.review.models import START, Place, Scope
from classification_service.review.schemas import ReviewRow
from classification_service.review.service import ReviewQueue
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies

FIRST = "unspsc"
"""The taxonomy that comes first, and that the page of the queue is about where its address names none."""

MAX_ROWS = 20
"""Rows of the queue on a page without JavaScript, and jobs on a page."""

STATISTICS_DAYS = 90


@dataclass(frozen=True, slots=True)
class VersionLink:
    """A version of a taxonomy: how many rows of the queue are about it, and whether the page is about it."""

    name: str
    version: str
    is_default: bool
    is_current: bool = False
    rows: int = 0

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.name.upper()} {self.version}"


@dataclass(frozen=True, slots=True)
class ShownReview:
    """Rows of the queue, `left` in all; `next` is the `after` of the following ones, None at the end."""

    scope: Scope
    versions: Sequence[VersionLink]
    rows: Sequence[ReviewRow]
    left: int
    next: str | None
    statistics: StatisticsOut


@dataclass(frozen=True, slots=True)
class ShownJob:
    """A job, and what is said of how far it is."""

    job: JobOut
    figures: str


@dataclass(frozen=True, slots=True)
class ShownJobs:
    """Jobs, the latest first; `next` is the `after` of the following ones, None at the end."""

    jobs: Sequence[ShownJob]
    versions: Sequence[VersionLink]
    next: UUID | None


class ReviewPages:
    """Reads what the page of the review queue shows."""

    def __init__(self, taxonomies: Taxonomies, queue: ReviewQueue, feedback: FeedbackService) -> None:
        self._taxonomies = taxonomies
        self._queue = queue
        self._feedback = feedback

    async def read(self, scope: Scope, after: str | None) -> ShownReview:
        """Return the most useful rows about a version, or those after a place."""
        place = START if after is None else Place.parse(after)
        rows, following, left = await self._queue.page(scope, place, MAX_ROWS)
        statistics = await self._feedback.statistics(scope, STATISTICS_DAYS)
        loaded = self._taxonomies.get(scope.taxonomy, scope.version)
        return ShownReview(
            scope=scope,
            versions=await self._versions(scope),
            rows=[ReviewRow.of(row, loaded) for row in rows],
            left=left,
            next=None if following is None else str(following),
            statistics=StatisticsOut.of(scope.taxonomy, scope.version, statistics),
        )

    async def _versions(self, scope: Scope) -> list[VersionLink]:
        links = version_links(self._taxonomies)
        scopes = [Scope(link.name, link.version, scope.tenant) for link in links]
        counts = await self._queue.counts(scopes)
        return [
            replace(link, is_current=linked == scope, rows=rows)
            for link, linked, rows in zip(links, scopes, counts, strict=True)
        ]


class JobPages:
    """Reads what the page of jobs shows their owner."""

    def __init__(self, jobs: JobService, taxonomies: Taxonomies, owner: Owner) -> None:
        self._jobs = jobs
        self._taxonomies = taxonomies
        self._owner = owner

    async def read(self, after: UUID | None) -> ShownJobs:
        """Return the latest jobs, or those before one."""
        views, following = await self._jobs.page(self._owner, after, MAX_ROWS)
        jobs = [JobOut.of(view) for view in views]
        return ShownJobs([ShownJob(job, figures(job)) for job in jobs], version_links(self._taxonomies), following)


def version_links(taxonomies: Taxonomies) -> list[VersionLink]:
    """Return the versions that are loaded, by taxonomy, the default of each first."""

    def order(taxonomy: Taxonomy) -> tuple[bool, str, bool, str]:
        is_other = taxonomies.default(taxonomy.name) != taxonomy.version
        return (taxonomy.name != FIRST, taxonomy.name, is_other, taxonomy.version)

    return [
        VersionLink(
            name=taxonomy.name,
            version=taxonomy.version,
            is_default=taxonomies.default(taxonomy.name) == taxonomy.version,
        )
        for taxonomy in sorted(taxonomies, key=order)
    ]
