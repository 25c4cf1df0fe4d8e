"""/v1/taxonomies: their versions, the codes in them, and imports."""

from fastapi import Depends, Request, Response

from classification_service.context import ContextOfApp
from classification_service.taxonomies.dependencies import (
    Administrator,
    CatalogueOfApp,
    LoadedTaxonomies,
    receive_file,
)
from classification_service.taxonomies.imports import import_file
from classification_service.taxonomies.models import NewVersion, StoredVersion
from classification_service.taxonomies.schemas import (
    FILE_BODY,
    AfterCode,
    AfterPlace,
    ChangesOut,
    CodeOut,
    CodePage,
    CodePart,
    CodeRef,
    DefaultVersion,
    Language,
    Limit,
    NamePart,
    NewVersionName,
    ParentCode,
    SearchText,
    SinceVersion,
    TaxonomyList,
    TaxonomyName,
    TaxonomyOut,
    VersionPart,
)
from classification_service.taxonomies.search import START, SearchPlace
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1/taxonomies", tags=["taxonomies"], dependencies=[Depends(require("classify"))])


@router.get("", summary="Taxonomies that are there")
async def list_taxonomies(loaded: LoadedTaxonomies, catalogue: CatalogueOfApp) -> TaxonomyList:
    """Each version of each taxonomy with its number of codes per level: the starters, then the imported ones."""
    starters = [TaxonomyOut.of(one, default=loaded.default(one.name) == one.version) for one in loaded.starters]
    stored = [_of_stored(loaded, version) for version in await catalogue.versions()]
    return TaxonomyList(taxonomies=[*starters, *stored])


def _of_stored(loaded: LoadedTaxonomies, stored: StoredVersion) -> TaxonomyOut:
    return TaxonomyOut.of_stored(
        stored,
        ready=loaded.has(stored.name, stored.version),
        default=loaded.default(stored.name) == stored.version,
    )


@router.post("/import", status_code=201, openapi_extra=FILE_BODY)
async def import_taxonomy(
    request: Request,
    response: Response,
    principal: Administrator,
    catalogue: CatalogueOfApp,
    context: ContextOfApp,
    *,
    taxonomy: TaxonomyName,
    version: NewVersionName,
    language: Language = "en",
) -> TaxonomyOut:
    """Store an official file as a new version, whole or not at all; texts are classified against it once it is `ready`."""
    new = NewVersion(name=taxonomy, version=version, language=language)
    database = catalogue.database_for(new)
    async with receive_file(request, context.settings.import_bytes) as file:
        await import_file(database, file, new, principal.subject)
    response.headers["Location"] = f"/v1/taxonomies/{taxonomy}/{version}"
    return _of_stored(context.taxonomies, await catalogue.stored(taxonomy, version))


@router.put("/{name}/default", summary="Choose the version of requests that name none")
async def set_default(
    principal: Administrator, catalogue: CatalogueOfApp, name: NamePart, body: DefaultVersion
) -> DefaultVersion:
    """Switch to a version that is ready; each worker process follows within a second or two."""
    await catalogue.set_default(name, body.version, principal.subject)
    return body


@router.get("/{name}/{version}", summary="One version of a taxonomy")
async def get_taxonomy(
    name: NamePart, version: VersionPart, loaded: LoadedTaxonomies, catalogue: CatalogueOfApp
) -> TaxonomyOut:
    """The version with its number of codes per level, and how far it is."""
    if (starter := catalogue.starter(name, version)) is not None:
        return TaxonomyOut.of(starter, default=loaded.default(name) == version)
    return _of_stored(loaded, await catalogue.stored(name, version))


@router.delete("/{name}/{version}", status_code=204, summary="Delete an imported version")
async def delete_taxonomy(_: Administrator, name: NamePart, version: VersionPart, catalogue: CatalogueOfApp) -> None:
    """Delete the version with its codes and vectors; each worker process forgets it within a second or two."""
    await catalogue.delete(name, version)


@router.get("/{name}/{version}/codes", summary="The codes right below one")
async def list_codes(
    name: NamePart,
    version: VersionPart,
    catalogue: CatalogueOfApp,
    *,
    parent: ParentCode | None = None,
    after: AfterCode | None = None,
    limit: Limit = 100,
) -> CodePage:
    """The codes right below `parent`, without it those of the highest level, by code."""
    rows, following = await catalogue.children(name, version, parent, after=after or "", limit=limit)
    return CodePage(items=[CodeRef.of(row) for row in rows], next=following)


@router.get("/{name}/{version}/codes/{code}", summary="One code of a taxonomy")
async def get_code(name: NamePart, version: VersionPart, code: CodePart, catalogue: CatalogueOfApp) -> CodeOut:
    """The code with its path from the root, the codes right below it, and the features of an ETIM class."""
    if (starter := catalogue.starter(name, version)) is not None:
        return CodeOut.at(starter, starter.get(code))
    return CodeOut.of_details(await catalogue.code(await catalogue.stored(name, version), code))


@router.get("/{name}/{version}/search", summary="Codes by their beginning or by words")
async def search_codes(
    name: NamePart,
    version: VersionPart,
    catalogue: CatalogueOfApp,
    *,
    q: SearchText,
    after: AfterPlace | None = None,
    limit: Limit = 20,
) -> CodePage:
    """Codes that begin with `q`, then those whose title and synonyms have words that begin with each of its words."""
    place = START if after is None else SearchPlace.parse(after)
    rows, following = await catalogue.search(name, version, q, after=place, limit=limit)
    return CodePage(items=[CodeRef.of(row) for row in rows], next=None if following is None else str(following))


@router.get("/{name}/{version}/changes", summary="What changed since another version")
async def list_changes(
    name: NamePart,
    version: VersionPart,
    catalogue: CatalogueOfApp,
    *,
    since: SinceVersion,
    after: AfterCode | None = None,
    limit: Limit = 100,
) -> ChangesOut:
    """Codes that were added, retired, moved to another parent or another code, or got another title, by code."""
    return ChangesOut.of(
        name, version, since, await catalogue.changes(name, version, since, after=after or "", limit=limit)
    )
