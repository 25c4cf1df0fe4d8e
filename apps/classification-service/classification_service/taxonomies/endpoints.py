"""GET /v1/taxonomies and the codes in them."""

from fastapi import Depends

from classification_service.taxonomies.dependencies import LoadedTaxonomies
from classification_service.taxonomies.schemas import CodeOut, TaxonomyList, TaxonomyOut
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1/taxonomies", tags=["taxonomies"], dependencies=[Depends(require("classify"))])


@router.get("", summary="Taxonomies that are loaded")
async def list_taxonomies(loaded: LoadedTaxonomies) -> TaxonomyList:
    """Each taxonomy with its version and its number of codes per level."""
    return TaxonomyList(taxonomies=[TaxonomyOut.of(taxonomy) for taxonomy in loaded])


@router.get("/{name}/{version}/codes/{code}", summary="One code of a taxonomy")
async def get_code(name: str, version: str, code: str, loaded: LoadedTaxonomies) -> CodeOut:
    """The code with its title, its path from the root and the codes right below it."""
    taxonomy = loaded.get(name, version)
    return CodeOut.at(taxonomy, taxonomy.get(code))
