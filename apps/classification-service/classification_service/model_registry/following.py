"""Keeps the models of a worker process as PostgreSQL has them: the alias is followed without a restart and without a pause."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

from prometheus_client import Counter, Gauge

from classification_service.errors import ClassificationServiceError
from classification_service.model_registry import repository
from classification_service.model_registry.errors import ModelsNotOpenedError
from classification_service.model_registry.files import files_of, remove_others
from classification_service.model_registry.models import Line, StoredModel
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

POLL_SECONDS = 0.5
RETRY_SECONDS = 30.0
OPENINGS = Counter("model_openings", "trained models that a process was to open, by outcome", ["outcome"])
SERVING = Gauge(
    "model_serving",
    "1 for the trained models that answer, 0 for those that did",
    ["taxonomy", "version", "model"],
    multiprocess_mode="max",
)
_log = logging.getLogger(__name__)

type Open[M] = Callable[[Path, Taxonomy], M]
"""Opens the model in a folder, slowly; raises ClassificationServiceError where it cannot be used, or anything."""

type Use[M] = Callable[[Taxonomy, M | None, str], None]
"""Has a model answer the texts of a tenant from now on, None for titles and examples alone."""


@dataclass
class _Held:
    """The models of one taxonomy in this process, by tenant: their ids, and why others cannot be opened."""

    models: dict[str, str] = field(default_factory=dict)
    faults: dict[str, "_Fault"] = field(default_factory=dict)


@dataclass(frozen=True)
class _Fault:
    model: str
    reason: str
    until: float


class ModelFollower[M]:
    """Opens each model that is to serve beside the one before, and then puts it in its place.

    `followed` is True once that was done for all taxonomies a first time; `loaded` says whether the taxonomies are there.
    """

    def __init__(
        self, database: Database, taxonomies: Taxonomies, open_model: Open[M], use: Use[M], loaded: Callable[[], bool]
    ) -> None:
        self._database = database
        self._taxonomies = taxonomies
        self._open = open_model
        self._use = use
        self._loaded = loaded
        self._held: WeakKeyDictionary[Taxonomy, _Held] = WeakKeyDictionary()
        self.followed = False

    async def run(self) -> None:
        """Follow until the task is cancelled; what serves goes on serving while PostgreSQL is away."""
        fault = ""
        while True:
            before, fault = fault, ""
            try:
                loaded = self._loaded()
                await self.follow()
                self.followed = self.followed or loaded
            except (DatabaseUnavailableError, PoolExhaustedError) as error:
                fault = str(error)
                if fault != before:
                    _log.warning("the models stay as they are, and are looked up again: %s", fault)
            await asyncio.sleep(POLL_SECONDS)

    async def follow(self) -> None:
        """Have the models answer that are to."""
        async with self._database.read() as connection:
            serving = await repository.serving(connection)
        wanted = _by_taxonomy(serving)
        for taxonomy in self._taxonomies:
            held = self._held.setdefault(taxonomy, _Held())
            await self._follow(taxonomy, held, wanted[taxonomy.name, taxonomy.version, taxonomy.key])
        await remove_others({model.id for model in serving.values()})

    async def _follow(self, taxonomy: Taxonomy, held: _Held, wanted: Mapping[str, StoredModel]) -> None:
        held.faults = {
            tenant: fault
            for tenant, fault in held.faults.items()
            if tenant in wanted and wanted[tenant].id == fault.model
        }
        for tenant in held.models.keys() - wanted.keys():
            self._use(taxonomy, None, tenant)
            self._note_change(taxonomy, held, tenant, None)
        for tenant, model in wanted.items():
            if held.models.get(tenant) != model.id and self._is_due(held, tenant):
                await self._change(taxonomy, held, tenant, model)

    def _is_due(self, held: _Held, tenant: str) -> bool:
        fault = held.faults.get(tenant)
        return fault is None or fault.until < time.monotonic()

    async def _change(self, taxonomy: Taxonomy, held: _Held, tenant: str, model: StoredModel) -> None:
        try:
            async with files_of(self._database, model) as folder:
                opened = await asyncio.to_thread(self._open, folder, taxonomy)
            await asyncio.to_thread(self._use, taxonomy, opened, tenant)
        except (DatabaseUnavailableError, PoolExhaustedError):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the model before goes on answering
            self._note_fault(held, tenant, model, error)
            return
        held.faults.pop(tenant, None)
        self._note_change(taxonomy, held, tenant, model)

    def _note_change(self, taxonomy: Taxonomy, held: _Held, tenant: str, model: StoredModel | None) -> None:
        before = held.models.pop(tenant, None)
        if before is not None:
            SERVING.labels(taxonomy.name, taxonomy.version, before).set(0)
        if model is not None:
            held.models[tenant] = model.id
            SERVING.labels(taxonomy.name, taxonomy.version, model.id).set(1)
            OPENINGS.labels("opened").inc()
        _log.info(
            "%s %s is answered by %s",
            taxonomy.name,
            taxonomy.version,
            "titles and examples alone" if model is None else f"the model {model.id}",
            extra={"before": before},
        )

    def _note_fault(self, held: _Held, tenant: str, model: StoredModel, error: Exception) -> None:
        OPENINGS.labels("failed").inc()
        known = isinstance(error, ClassificationServiceError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        if held.faults.get(tenant, None) is None:
            _log.error(
                "the model %s cannot be opened, and the one before goes on answering: %s",
                model.id,
                reason,
                exc_info=None if known else error,
            )
        held.faults[tenant] = _Fault(model.id, reason, time.monotonic() + RETRY_SECONDS)

    def is_open(self, taxonomy: Taxonomy, tenant: str, model: str) -> bool:
        """Whether a model answers in this process."""
        held = self._held.get(taxonomy)
        return held is not None and held.models.get(tenant) == model

    async def check(self) -> None:
        """Raise ModelsNotOpenedError where models are to answer and cannot be opened, for a health check."""
        reasons = [fault.reason for held in self._held.values() for fault in held.faults.values()]
        if reasons:
            raise ModelsNotOpenedError(reasons)


def _by_taxonomy(serving: Mapping[Line, StoredModel]) -> Mapping[tuple[str, str, str], Mapping[str, StoredModel]]:
    found: dict[tuple[str, str, str], dict[str, StoredModel]] = defaultdict(dict)
    for line, model in serving.items():
        found[line[:3]][line.tenant] = model
    return found
