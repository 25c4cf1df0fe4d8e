"""Trained models of tenants: registered by the trainer, activated, looked up, deleted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from classification_service.model_registry import repository
from classification_service.model_registry.errors import (
    ModelServesError,
    ModelTooLargeError,
    OutdatedModelError,
    ServingTooLargeError,
    UnknownModelError,
    WorseModelError,
)
from classification_service.model_registry.models import (
    Activation,
    File,
    Line,
    Origin,
    StoredModel,
    accuracy_of,
    model_id,
)
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database, UnitOfWork

_SHOWN_ACTIVATIONS = 50


@dataclass(frozen=True, slots=True)
class NewModel:
    """What training gave: files by their names, and a report with the accuracy per level."""

    files: Mapping[str, bytes]
    report: Mapping[str, Any]


async def register(work: UnitOfWork, line: Line, new: NewModel, origin: Origin, *, limit: int) -> str:
    """Keep a model of at most `limit` bytes; returns its id, which one with the same files has too.

    Raises ModelTooLargeError, DatabaseUnavailableError.
    """
    size = sum(map(len, new.files.values()))
    if size > limit:
        raise ModelTooLargeError(size, limit)
    contents = [content for _, content in sorted(new.files.items())]
    files = [File.of(name, content) for name, content in sorted(new.files.items())]
    model = model_id(line, files)
    report = json.dumps(new.report, allow_nan=False)
    measured = next(iter(accuracy_of(line.taxonomy, new.report)), None)
    if await repository.add(work.connection, model, line, files=files, report=report, accuracy=measured, origin=origin):
        for number, content in enumerate(contents):
            await repository.add_file(work.connection, model, number, content)
    return model


class ModelRegistry:
    """The models. Methods raise UnknownModelError for one of another tenant. `serving_bytes` may serve at once, of all tenants."""

    def __init__(self, database: Database, taxonomies: Taxonomies, serving_bytes: int) -> None:
        self._database = database
        self._taxonomies = taxonomies
        self._serving_bytes = serving_bytes

    async def models(self, tenant: str) -> list[StoredModel]:
        """The models of a tenant, the latest first."""
        async with self._database.read() as connection:
            return await repository.page(connection, tenant)

    async def activations(self, tenant: str) -> list[Activation]:
        """Who moved the aliases of a tenant lately, the latest first."""
        async with self._database.read() as connection:
            return await repository.activations(connection, tenant, _SHOWN_ACTIVATIONS)

    async def report(self, tenant: str, model: str) -> tuple[StoredModel, dict[str, Any]]:
        """A model, and what the trainer has measured of it."""
        found = await self._find(tenant, model)
        async with self._database.read() as connection:
            return found, await repository.report(connection, model)

    async def _find(self, tenant: str, model: str) -> StoredModel:
        async with self._database.read() as connection:
            found = await repository.find(connection, tenant, model)
        if found is None:
            raise UnknownModelError(model)
        return found

    async def activate(self, principal: Principal, model: str, *, force: bool) -> StoredModel:
        """Have a model answer the requests of its tenant; each worker process follows within a second or two.

        Raises OutdatedModelError, ServingTooLargeError, and without `force` WorseModelError.
        """
        found = await self._find(principal.tenant or "", model)
        line = found.line
        try:
            async with self._database.unit_of_work(principal) as work:
                if not await self._is_current(work, line):
                    raise OutdatedModelError(model, line.taxonomy, line.version)
                await self._check_room(work, found)
                served = await repository.lock_line(work.connection, line)
                if served is not None and not force:
                    await _check_better(work, line, model, served)
                if served != model:
                    await repository.activate(work.connection, line, model, principal.subject, forced=force)
        except asyncpg.ForeignKeyViolationError:  # it was deleted meanwhile
            raise UnknownModelError(model) from None
        return await self._find(line.tenant, model)

    async def _is_current(self, work: UnitOfWork, line: Line) -> bool:
        """Whether the import of a line is there; that of a starter is what this service comes with."""
        if not line.taxonomy_key:
            return self._taxonomies.has(line.taxonomy, line.version)
        return await repository.has_import(work.connection, line.taxonomy_key)

    async def _check_room(self, work: UnitOfWork, model: StoredModel) -> None:
        await repository.lock_room(work.connection)
        wanted = model.bytes + await repository.other_bytes(work.connection, model.line)
        if wanted > self._serving_bytes:
            raise ServingTooLargeError(wanted, self._serving_bytes)

    async def deactivate(self, principal: Principal, taxonomy: Taxonomy) -> None:
        """Have titles, examples and labels alone answer the requests of the caller's tenant."""
        line = line_of(taxonomy, principal.tenant)
        async with self._database.unit_of_work(principal) as work:
            if await repository.lock_line(work.connection, line) is not None:
                await repository.activate(work.connection, line, None, principal.subject, forced=False)

    async def delete(self, tenant: str, model: str) -> None:
        """Delete a model that does not serve; raises ModelServesError."""
        found = await self._find(tenant, model)
        try:
            async with self._database.unit_of_work() as work:
                gone = await repository.delete(work.connection, found.id)
        except asyncpg.ForeignKeyViolationError:  # it began to serve meanwhile
            gone = False
        if not gone:
            raise ModelServesError(model)


def line_of(taxonomy: Taxonomy, tenant: str | None) -> Line:
    """The models of a tenant for a taxonomy."""
    return Line(taxonomy.name, taxonomy.version, taxonomy.key, tenant or "")


async def _check_better(work: UnitOfWork, line: Line, model: str, served: str) -> None:
    """Raise WorseModelError where a model answers fewer of the validation rows rightly than the one that serves."""
    if model == served:
        return
    reports = [await repository.report(work.connection, one) for one in (model, served)]
    match accuracy_of(line.taxonomy, *reports):
        case [found, wanted] if found.share < wanted.share:
            raise WorseModelError(model, found, served, wanted)
