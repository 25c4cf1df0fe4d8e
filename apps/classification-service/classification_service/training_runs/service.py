"""Runs of training as their tenants see them: queued, looked up, cancelled."""

from uuid import UUID, uuid4

from classification_service.encoder.languages import is_english
from classification_service.model_registry import repository as model_repository
from classification_service.model_registry.errors import TooManyModelsError
from classification_service.model_registry.service import line_of
from classification_service.taxonomies.models import Taxonomy
from classification_service.training_runs import repository
from classification_service.training_runs.errors import TitlesNotEnglishError, TooManyRunsError, UnknownRunError
from classification_service.training_runs.models import SEEN_SECONDS, Presence, Run
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database

MAX_OPEN = 5
"""Runs of one tenant that are not finished."""

KEPT = 100
"""Runs of one tenant that have ended."""


class TrainingService:
    """The runs. Methods raise UnknownRunError for one of another tenant. A line has at most `models` models."""

    def __init__(self, database: Database, models: int) -> None:
        self._database = database
        self._models = models

    async def create(self, principal: Principal, taxonomy: Taxonomy, seed: int) -> Run:
        """Queue a run for a taxonomy and the labels of the caller's tenant.

        Raises TitlesNotEnglishError, TooManyRunsError, TooManyModelsError.
        """
        if not is_english(taxonomy.language):
            raise TitlesNotEnglishError(taxonomy.name, taxonomy.version, taxonomy.language)
        line = line_of(taxonomy, principal.tenant)
        async with self._database.unit_of_work(principal) as work:
            await repository.lock_tenant(work.connection, line.tenant)
            if await repository.count_open(work.connection, line.tenant) >= MAX_OPEN:
                raise TooManyRunsError(MAX_OPEN)
            if await model_repository.count(work.connection, line) >= self._models:
                raise TooManyModelsError(line.taxonomy, line.version, self._models)
            await repository.forget(work.connection, line.tenant, KEPT)
            return await repository.add(work.connection, uuid4(), line, seed, principal.subject)

    async def presence(self) -> Presence:
        """Whether there is a trainer."""
        async with self._database.read() as connection:
            at, ago = await repository.last_seen(connection)
        return Presence(at, ago is not None and ago.total_seconds() < SEEN_SECONDS)

    async def get(self, tenant: str, run: UUID) -> Run:
        """A run of a tenant."""
        async with self._database.read() as connection:
            found = await repository.find(connection, tenant, run)
        if found is None:
            raise UnknownRunError(run)
        return found

    async def page(self, tenant: str, after: UUID | None, limit: int) -> tuple[list[Run], UUID | None]:
        """The runs of a tenant, the latest first, those after one; and the `after` of the next page, None on the last."""
        async with self._database.read() as connection:
            runs = await repository.page(connection, tenant, after, limit + 1)
        return runs[:limit], runs[limit - 1].id if len(runs) > limit else None

    async def end(self, tenant: str, run: UUID) -> None:
        """Cancel a run that is not finished; forget one that has ended. Its model stays."""
        async with self._database.write() as connection:
            cancelled = await repository.cancel(connection, tenant, run)
        await self.get(tenant, run)
        if not cancelled:
            async with self._database.write() as connection:
                await repository.delete(connection, tenant, run)
