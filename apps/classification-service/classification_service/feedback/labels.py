"""The labels of a process, as PostgreSQL has them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from classification_service.cache.bounded import Bounded
from classification_service.cache.repository import read_generation
from classification_service.classify.labelled import Known, Label, LabelledExamples
from classification_service.encoder.encoders import Encoders
from classification_service.feedback import repository
from classification_service.feedback.models import StoredLabel
from classification_service.review.models import Scope
from classification_service.taxonomies.errors import UnknownCodeError
from classification_service.taxonomies.models import Taxonomy
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

WAIT_SECONDS = 2.0
"""How long a request waits to learn of corrections: without them it may be answered wrongly."""

_PAGE = 5000
_LAST_KEY = b"\xff" * 33  # after all keys, which have 32 bytes
_log = logging.getLogger(__name__)


@dataclass
class _Held:
    """The labels of one tenant and version, up to a generation."""

    generation: int = 0
    labels: dict[bytes, Label] = field(default_factory=dict)
    examples: LabelledExamples | None = None
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)


class StoredLabels:
    """Reads with each request whether there are new labels, and loads those: a correction counts in all processes at once."""

    def __init__(self, database: Database, encoders: Encoders) -> None:
        self._database = database
        self._encoders = encoders
        self._store = Bounded("corrections are not looked up", WAIT_SECONDS)
        self._held: WeakKeyDictionary[Taxonomy, dict[str, _Held]] = WeakKeyDictionary()

    async def current(self, taxonomy: Taxonomy, tenant: str | None) -> Known:
        """See Labels."""
        whose = tenant or ""
        held = self._held.setdefault(taxonomy, {}).setdefault(whose, _Held())
        generation = await self._store.run(self._read_generation(taxonomy))
        if generation is not None and generation > held.generation:
            try:
                await self._follow(taxonomy, Scope(taxonomy.name, taxonomy.version, whose), held, generation)
            except (DatabaseUnavailableError, PoolExhaustedError) as error:
                _log.warning("corrections are not loaded, and looked up again: %s", error)
                generation = None
        return Known(generation, whose if held.examples else "", held.examples)

    async def _read_generation(self, taxonomy: Taxonomy) -> int:
        async with self._database.read() as connection:
            return await read_generation(connection, taxonomy.name, taxonomy.version)

    async def _follow(self, taxonomy: Taxonomy, scope: Scope, held: _Held, generation: int) -> None:
        async with held.loading:
            if generation <= held.generation:
                return
            latest = await self._load(taxonomy, scope, held)
            if latest > held.generation:
                labels = list(held.labels.values())
                held.examples = await asyncio.to_thread(self._examples, taxonomy, labels) if labels else None
            held.generation = max(latest, generation)

    async def _load(self, taxonomy: Taxonomy, scope: Scope, held: _Held) -> int:
        """Take over what is new; returns the generation of the last label."""
        generation, key = held.generation, _LAST_KEY
        while True:
            async with self._database.read() as connection:
                page = await repository.labels_after(connection, scope, generation, key, _PAGE)
            for row in page:
                _take_over(taxonomy, held.labels, row)
            if page:
                generation, key = page[-1].generation, page[-1].key
            if len(page) < _PAGE:
                return generation

    def _examples(self, taxonomy: Taxonomy, labels: Sequence[Label]) -> LabelledExamples:
        """The labels with the vectors that most texts are compared with; others follow with the first text that needs them."""
        examples = LabelledExamples(labels)
        examples.load(self._encoders.of(taxonomy.language))
        return examples


def _take_over(taxonomy: Taxonomy, labels: dict[bytes, Label], row: StoredLabel) -> None:
    try:
        position = taxonomy.get(row.code)
    except UnknownCodeError:  # an earlier import under this version had it
        labels.pop(row.key, None)
    else:
        labels[row.key] = Label(row.text, position, row.vectors)
