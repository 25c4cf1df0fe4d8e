"""Takes decisions of people, and says how far the models agree with them."""

import asyncio
from collections.abc import Mapping, Sequence

from classification_service.cache.repository import start_generation
from classification_service.classify.labelled import LabelVector
from classification_service.classify.schemas import MAX_ITEMS, ClassifyRequest, ItemResult
from classification_service.classify.service import ClassificationService
from classification_service.classify.text import MAX_TEXT, storable, text_key
from classification_service.encoder.encoders import Encoders
from classification_service.encoder.int8_backend import quantise
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.feedback import repository
from classification_service.feedback.errors import AlreadyDecidedError, DecidedLabel, UnknownLabel, UnknownLabelsError
from classification_service.feedback.models import Carried, Decision, NewLabel, Statistics, StoredDecision, Suggestion
from classification_service.feedback.schemas import FeedbackItem, FeedbackRequest
from classification_service.review import repository as review_repository
from classification_service.review.models import Scope
from classification_service.taxonomies.catalogue import Catalogue
from classification_service.taxonomies.errors import UnknownCodeError
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.limits import MAX_FAULTS
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database


class FeedbackService:
    """Each decision is a labelled example at once, with vectors of both `encoders`."""

    def __init__(
        self,
        database: Database,
        taxonomies: Taxonomies,
        classification: ClassificationService,
        *,
        catalogue: Catalogue,
        encoders: Encoders,
    ) -> None:
        self._database = database
        self._taxonomies = taxonomies
        self._catalogue = catalogue
        self._classification = classification
        self._encoders = encoders
        self._turn = (
            asyncio.Lock()
        )  # decisions wait for each other in PostgreSQL too, where each would hold a connection

    async def decide(self, request: FeedbackRequest, principal: Principal) -> tuple[Taxonomy, int, list[Decision]]:
        """Take the codes of all items or of none; returns the generation of labels that has them, and the decisions.

        Raises UnknownTaxonomyError, UnknownLabelsError, AlreadyDecidedError, DatabaseUnavailableError.
        """
        taxonomy = self._taxonomies.get(request.taxonomy, request.version)
        _check(taxonomy, request.items)
        suggestions = await self._suggest(taxonomy, request.items, principal)
        labels = await self._labels(request.items)
        scope = Scope(taxonomy.name, taxonomy.version, principal.tenant or "")
        async with self._turn, self._database.unit_of_work(principal) as work:
            generation = await start_generation(work.connection, taxonomy.name, taxonomy.version)
            earlier = await repository.earlier(work.connection, scope, list(labels))
            if request.unless_decided:
                _check_undecided(request.items, earlier, principal)
            decisions = [
                _decision(taxonomy, item, found, earlier.get(text_key(item.full_text())))
                for item, found in zip(request.items, suggestions, strict=True)
            ]
            await repository.put_labels(
                work.connection,
                scope,
                list(labels.values()),
                generation=generation,
                encoders=self._encoders.names,
                decided_by=principal.subject,
            )
            await repository.add_decisions(work.connection, scope, decisions, principal.subject)
            await review_repository.close(work.connection, scope, list(labels))
        return taxonomy, generation, decisions

    async def _suggest(
        self, taxonomy: Taxonomy, items: Sequence[FeedbackItem], principal: Principal
    ) -> list[ItemResult]:
        """What the service says now."""
        raw = [item.model_dump(exclude={"code"}) for item in items]
        request = ClassifyRequest(items=raw, taxonomy=taxonomy.name, version=taxonomy.version, top_k=1, llm="never")
        return (await self._classification.classify(request, tenant=principal.tenant)).items

    async def _labels(self, items: Sequence[FeedbackItem]) -> dict[bytes, NewLabel]:
        """The labels by their keys: of several for one text, the last."""
        latest = {text_key(item.full_text()): item for item in items}
        texts = [item.full_text() for item in latest.values()]
        by_encoder = {encoder.name: await self._vectors(texts, encoder) for encoder in self._encoders.all()}
        return {
            key: NewLabel(
                key=key,
                text=storable(text),
                language=item.language,
                code=item.code,
                vectors={name: vectors[row] for name, vectors in by_encoder.items()},
            )
            for row, ((key, item), text) in enumerate(zip(latest.items(), texts, strict=True))
        }

    async def _vectors(self, texts: Sequence[str], encoder: TextEncoder) -> list[LabelVector]:
        values, scales = quantise(await self._classification.encode(texts, encoder))
        return [LabelVector(float(scale), value.tobytes()) for value, scale in zip(values, scales, strict=True)]

    async def carry(self, taxonomy: str, since: str, version: str, principal: Principal) -> Carried:
        """Take the labels of an earlier imported version to another one; those that are there already stay.

        Labels whose codes are there, or moved, count at once; the texts of retired ones are classified, and what is
        uncertain is put into the review queue. Raises UnknownTaxonomyError, StarterVersionError.
        """
        now = self._taxonomies.get(taxonomy, version)
        scope = Scope(taxonomy, since, principal.tenant or "")
        async with self._database.read() as connection:
            codes = await repository.label_codes(connection, scope)
        fates = await self._catalogue.fates(taxonomy, version, since, codes)
        there = {code: fate.new_code for code, fate in fates.items() if fate.new_code is not None}
        async with self._turn, self._database.unit_of_work(principal) as work:
            generation = await start_generation(work.connection, taxonomy, version)
            carried = await repository.carry_labels(work.connection, scope, version, there, generation)
        classified, queued = await self._review(now, scope, [code for code in codes if code not in there])
        return Carried(generation=generation, carried=carried, classified=classified, queued=queued)

    async def _review(self, taxonomy: Taxonomy, scope: Scope, codes: Sequence[str]) -> tuple[int, int]:
        """Classify the texts with labels of these codes; returns how many there are, and how many are to be reviewed."""
        classified = queued = 0
        after = b""
        while True:
            async with self._database.read() as connection:
                page = await repository.labelled_texts(connection, scope, codes, after, MAX_ITEMS)
            if not page:
                return classified, queued
            request = ClassifyRequest(
                items=[{"text": text[:MAX_TEXT], "language": language} for _, text, language in page],
                taxonomy=taxonomy.name,
                version=taxonomy.version,
                llm="never",
                review=True,
            )
            response = await self._classification.classify(request, tenant=scope.tenant or None)
            classified, queued, after = classified + len(page), queued + (response.queued or 0), page[-1][0]

    async def decisions(
        self, scope: Scope, decided_by: str | None, before: int, limit: int
    ) -> tuple[list[StoredDecision], int | None]:
        """Decisions before one, the latest first, and the one that the next page begins before, if any."""
        async with self._database.read() as connection:
            rows = await repository.decisions_before(connection, scope, decided_by, before, limit + 1)
        return rows[:limit], rows[limit - 1].id if len(rows) > limit else None

    async def statistics(self, scope: Scope, days: int) -> Statistics:
        """How the decisions of the last days compare with what was suggested."""
        async with self._database.read() as connection:
            groups = await repository.groups(connection, scope, days)
        async with self._database.read() as connection:
            buckets = await repository.buckets(connection, scope, days)
        return Statistics(groups, buckets)


def _check(taxonomy: Taxonomy, items: Sequence[FeedbackItem]) -> None:
    unknown = [UnknownLabel(index, item.code) for index, item in enumerate(items) if not _has(taxonomy, item.code)]
    if unknown:
        raise UnknownLabelsError(taxonomy.name, taxonomy.version, unknown[:MAX_FAULTS])


def _check_undecided(
    items: Sequence[FeedbackItem], earlier: Mapping[bytes, tuple[str, str]], principal: Principal
) -> None:
    found = ((index, earlier.get(text_key(item.full_text()))) for index, item in enumerate(items))
    decided = [DecidedLabel(index, *label) for index, label in found if label and label[1] != principal.subject]
    if decided:
        raise AlreadyDecidedError(decided[:MAX_FAULTS])


def _has(taxonomy: Taxonomy, code: str) -> bool:
    try:
        taxonomy.get(code)
    except UnknownCodeError:
        return False
    return True


def _decision(taxonomy: Taxonomy, item: FeedbackItem, found: ItemResult, earlier: tuple[str, str] | None) -> Decision:
    path = taxonomy.path(taxonomy.get(item.code))
    suggested = [ref.code for ref in found.path]
    agreed = [node.level for node in path if node.code in suggested]
    return Decision(
        item_id=None if item.id is None else storable(item.id),
        text=storable(item.full_text()),
        language=item.language,
        code=item.code,
        level=path[-1].level,
        suggestion=Suggestion(
            code=found.code or "",
            level=found.level or "",
            confidence=found.confidence or 0,
            source=found.source or "",
            model_version=found.model_version or "",
            by=None if earlier is None else earlier[1],
        ),
        agreed_level=agreed[-1] if agreed else None,
    )
