"""Answers that people should check, the most useful first."""

import asyncio
import logging
from collections.abc import Sequence

from classification_service.classify.models import Answered, Candidate
from classification_service.classify.schemas import CandidateOut, ClassifyRequest, ItemResult
from classification_service.classify.service import ClassificationService
from classification_service.classify.text import text_key
from classification_service.review import repository
from classification_service.review.models import Place, QueuedRow, Scope, Uncertain
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

POLL_SECONDS = 1.0
_AT_ONCE = 32  # texts that are computed at a time: requests wait a tenth of a second for them
_CANDIDATES = 10
_log = logging.getLogger(__name__)


class ReviewQueue:
    """Takes answers whose likeliest code has a confidence below `threshold`: also those that stop at a high level."""

    def __init__(self, database: Database, threshold: float) -> None:
        self._database = database
        self._threshold = threshold

    async def put(self, taxonomy: Taxonomy, tenant: str | None, answers: Sequence[Answered], generation: int) -> int:
        """Keep the uncertain ones of these answers; returns how many. Raises DatabaseUnavailableError."""
        uncertain = [answer for answer in answers if _certainty(answer.candidates) < self._threshold]
        rows: dict[bytes, Uncertain] = {}
        for answer in uncertain:
            key = text_key(answer.text)
            rows[key] = _uncertain(key, answer, rows[key].times + 1 if key in rows else 1)
        if rows:
            scope = Scope(taxonomy.name, taxonomy.version, tenant or "")
            async with self._database.write() as connection:
                await repository.put(connection, scope, list(rows.values()), generation)
        return len(uncertain)

    async def page(self, scope: Scope, after: Place, limit: int) -> tuple[list[QueuedRow], Place | None, int]:
        """Rows after a place, the place that the next page begins after, if any, and how many rows there are in all."""
        async with self._database.read() as connection:
            rows = await repository.page(connection, scope, after, limit + 1)
        async with self._database.read() as connection:
            total = await repository.count(connection, scope)
        following = Place(rows[limit - 1].gain, rows[limit - 1].id) if len(rows) > limit else None
        return rows[:limit], following, total

    async def counts(self, scopes: Sequence[Scope]) -> list[int]:
        """How many rows there are in each of these scopes."""
        async with self._database.read() as connection:
            return await repository.counts(connection, scopes)


class Rescorer:
    """Answers what is queued anew after each correction: what is certain then leaves the queue."""

    def __init__(
        self, database: Database, taxonomies: Taxonomies, classification: ClassificationService, threshold: float
    ) -> None:
        self._database = database
        self._taxonomies = taxonomies
        self._classification = classification
        self._threshold = threshold

    async def run(self) -> None:
        """Follow the corrections until the task is cancelled; several processes share the work."""
        fault = ""
        while True:
            before, fault = fault, ""
            try:
                for taxonomy in self._taxonomies:
                    while await self.rescore(taxonomy):
                        pass
            except (DatabaseUnavailableError, PoolExhaustedError) as error:
                fault = str(error)
                if fault != before:
                    _log.warning("the review queue stays as it is, and is looked up again: %s", fault)
            await asyncio.sleep(POLL_SECONDS)

    async def rescore(self, taxonomy: Taxonomy) -> bool:
        """Answer some of the rows anew that are older than the latest correction; returns whether there were some."""
        async with self._database.unit_of_work() as work:
            found = await repository.claim_stale(work.connection, taxonomy.name, taxonomy.version, _AT_ONCE)
            if found is None:
                return False
            generation, tenant, rows = found
            request = ClassifyRequest(
                items=[row.item for row in rows],
                taxonomy=taxonomy.name,
                version=taxonomy.version,
                top_k=_CANDIDATES,
                llm="never",
            )
            answers = (await self._classification.classify(request, tenant=tenant)).items
            pairs = list(zip(rows, answers, strict=True))
            settled = [row.id for row, answer in pairs if self._is_settled(answer)]
            open_rows = [(row.id, _rescored(row, answer)) for row, answer in pairs if not self._is_settled(answer)]
            await repository.rescore(work.connection, open_rows, settled, generation)
        return True

    def _is_settled(self, answer: ItemResult) -> bool:
        return answer.error is not None or _certainty(answer.candidates) >= self._threshold


def _certainty(candidates: Sequence[Candidate] | Sequence[CandidateOut]) -> float:
    return max((candidate.confidence for candidate in candidates), default=0.0)


def _uncertain(key: bytes, answer: Answered, times: int) -> Uncertain:
    return Uncertain(
        key=key,
        item=answer.item,
        code=answer.code,
        confidence=answer.confidence,
        certainty=_certainty(answer.candidates),
        candidates=[(candidate.node.code, candidate.confidence) for candidate in answer.candidates],
        model_version=answer.model_version,
        times=times,
    )


def _rescored(row: QueuedRow, answer: ItemResult) -> Uncertain:
    return Uncertain(
        key=b"",
        item=row.item,
        code=answer.code or row.code,
        confidence=answer.confidence or 0,
        certainty=_certainty(answer.candidates),
        candidates=[(candidate.code, candidate.confidence) for candidate in answer.candidates],
        model_version=answer.model_version or row.model_version,
    )
